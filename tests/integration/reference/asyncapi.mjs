// Parses AsyncAPI documents (arguments: files) and prints, for each, what is wrong with it.
import { readFileSync } from "node:fs";
import { Parser } from "@asyncapi/parser";

const said = [];
for (const file of process.argv.slice(2)) {
  const { document, diagnostics } = await new Parser().parse(readFileSync(file, "utf8"));
  said.push({
    parsed: document !== undefined,
    // Severities: 0 error, 1 warning, 2 information, 3 hint.
    faults: diagnostics.filter((d) => d.severity < 2).map((d) => `${d.path.join(".")}: ${d.message}`),
    operations: document === undefined ? [] : document.operations().all().map((o) => ({
      id: o.id(),
      action: o.action(),
      channels: o.channels().all().map((c) => c.address()),
      messages: o.messages().all().map((m) => m.name()),
    })),
  });
}
console.log(JSON.stringify(said));
