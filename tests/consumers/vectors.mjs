// Reads vector-clock files as ShiViz and TSViz do, with JavaScript's own regular expressions and JSON.
//
// The order of steps and every refusal are those of DistributedClocks/shiviz (js/util/regexp.js, js/model/parser.js,
// js/model/vectorTimestamp.js, js/model/modelGraph.js) and DistributedClocks/tsviz (js/model/parser.js,
// js/model/modelGraph.js), written anew: those files want a browser's page around them.
//
//   node vectors.mjs FILE NAMES EVENTS      NAMES: groups that must be there, separated by commas
import { readFileSync } from "node:fs";

const [file, names, events] = process.argv.slice(2);
const refuse = (what) => {
  console.error(`${file}: ${what}`);
  process.exit(1);
};

const lines = readFileSync(file, "utf8").split("\n");
const expression = lines[0];
const delimiter = lines[1];
const log = lines.slice(2).join("\n").trim();
if (delimiter !== "") refuse("the delimiter line is not empty");

// regexp.js: brackets that begin no group of their own become groups without a name, escaped ones too; the
// names are taken from the left.
let plain = expression.replace(/\((?!\?(=|!|<|:))/g, "(?:");
const groups = [];
for (let match; (match = plain.match(/\(\?<(\w+?)>.+\)/)); ) {
  if (groups.includes(match[1])) refuse(`two groups named ${match[1]}`);
  groups.push(match[1]);
  plain = plain.replace(/\(\?<\w+?>/, "(");
}
for (const name of names.split(",")) if (!groups.includes(name)) refuse(`no group ${name}`);
const reader = new RegExp(plain, "gm");

const stamps = [];
for (let match; (match = reader.exec(log)); ) {
  const fields = Object.fromEntries(groups.map((name, place) => [name, match[place + 1]]));
  const clock = JSON.parse(fields.clock);
  if (!Object.hasOwn(clock, fields.host)) refuse(`${fields.host} is missing from its own clock`);
  if (groups.includes("timestamp") && !/^\d{19}$/.test(fields.timestamp)) refuse("not 19 digits");
  if (!fields.event) refuse("an event without a text");
  stamps.push({ host: fields.host, clock });
}
if (stamps.length !== Number(events)) refuse(`${stamps.length} events were read, ${events} are in the run`);

const hosts = new Map();
for (const stamp of stamps) {
  if (!hosts.has(stamp.host)) hosts.set(stamp.host, []);
  hosts.get(stamp.host).push(stamp);
}
for (const [host, own] of hosts) {
  own.sort((a, b) => a.clock[host] - b.clock[host]);
  own.forEach((stamp, place) => {
    if (stamp.clock[host] !== place + 1) refuse(`${host}: ${stamp.clock[host]} instead of ${place + 1}`);
  });
}
for (const [host, own] of hosts) {
  const known = {};
  for (const stamp of own) {
    known[host] = stamp.clock[host];
    for (const [other, time] of Object.entries(stamp.clock)) {
      if (known[other] !== undefined && known[other] >= time) continue;
      known[other] = time;
      if (!hosts.has(other)) refuse(`an entry for ${other}, which has no event`);
      if (time < 1 || time > hosts.get(other).length) refuse(`entry ${time} for ${other} is out of bounds`);
    }
  }
}
console.log(`${file}: ${stamps.length} events of ${hosts.size} hosts`);
