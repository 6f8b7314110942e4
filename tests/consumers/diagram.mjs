// Reads a sequence diagram with Mermaid itself and compares what it understood with what was exported.
//
//   node diagram.mjs FILE MESSAGES      MESSAGES: arrows that Mermaid must find
import { readFileSync } from "node:fs";
import mermaid from "mermaid";

const [file, messages] = process.argv.slice(2);
const text = readFileSync(file, "utf8");
await mermaid.parse(text);
const { db } = await mermaid.mermaidAPI.getDiagramFromText(text);
const arrows = db.getMessages().filter((message) => message.type === db.LINETYPE.SOLID);
if (arrows.length !== Number(messages)) {
  console.error(`${file}: Mermaid reads ${arrows.length} messages, ${messages} were exported`);
  process.exit(1);
}
console.log(`${file}: ${arrows.length} messages between ${db.getActors().size} participants`);
