// Parses Mermaid diagrams (argument: a file with a JSON list of them) and prints, for each, its kind or what is wrong with it.
import { readFileSync } from "node:fs";
import { Window } from "happy-dom";

const window = new Window();
Object.assign(globalThis, { window, document: window.document });
const { default: mermaid } = await import("mermaid");

const said = [];
for (const diagram of JSON.parse(readFileSync(process.argv[2], "utf8"))) {
  try {
    said.push((await mermaid.parse(diagram)).diagramType);
  } catch (error) {
    said.push(`wrong: ${error.message}`);
  }
}
console.log(JSON.stringify(said));
process.exit(0);
