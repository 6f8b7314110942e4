// Prints the first of some consecutive ports on loopback that are free.
import { createServer } from "node:net";

const count = Number(process.argv[2]);
const isFree = (port) =>
  new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });

for (let base = 14000 + (process.pid % 500) * 16; base < 30000; base += 16) {
  const free = [];
  for (let port = base; port < base + count; port++) free.push(await isFree(port));
  if (free.every(Boolean)) {
    console.log(base);
    process.exit(0);
  }
}
throw new Error("no free ports between 14000 and 30000");
