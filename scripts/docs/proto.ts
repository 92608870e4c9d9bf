/**
 * Proto: reads our .proto files for the documents. They are formatted one way, so
 * a line is a declaration and a comment stands above what it is about; a line
 * that is nothing known is an error, so that nothing can be left out in silence.
 */

export interface ProtoFile {
  package: string;
  comment: string;
  services: ProtoService[];
  /** Messages and enums, nested ones by their full name, in order. */
  types: ProtoType[];
}

export interface ProtoService {
  name: string;
  comment: string;
  methods: { name: string; takes: string; gives: string; comment: string }[];
}

export interface ProtoType {
  kind: "message" | "enum";
  name: string;
  comment: string;
  /** Of an enum, `type` is empty. */
  fields: { name: string; type: string; number: number; comment: string }[];
}

const METHOD = /^rpc (\w+)\(([\w. ]+)\) returns \(([\w. ]+)\);$/;
const FIELD = /^((?:repeated |optional )?(?:map<\w+, [\w.]+>|[\w.]+)) (\w+) = (\d+)(?: \[jstype = \w+\])?;$/; // How JavaScript reads a number: nothing for a reader of the reference.
const VALUE = /^([A-Z_0-9]+) = (\d+);$/;

/** Reads one file. Throws for a line that it does not know. */
export function readProto(text: string): ProtoFile {
  const reader = new ProtoReader();
  text.split("\n").forEach((line, index) => {
    if (!reader.line(line.trim())) throw new Error(`Line ${index + 1} is not understood: ${line}`);
  });
  return reader.file;
}

class ProtoReader {
  readonly file: ProtoFile = { package: "", comment: "", services: [], types: [] };
  #comment: string[] = [];
  /** What is open around the line, from the outside in. */
  readonly #open: (ProtoService | ProtoType)[] = [];

  /** Reads a line; false when it is nothing known. */
  line(line: string): boolean {
    if (line.startsWith("//")) {
      this.#comment.push(line.replace(/^\/\/ ?/, ""));
      return true;
    }
    const known = line === "" || this.#statement(line);
    if (!line.startsWith("syntax")) this.#comment = [];
    return known;
  }

  #statement(line: string): boolean {
    if (/^(syntax|import) /.test(line)) return true;
    if (line === "}") return this.#open.pop() !== undefined;
    const [, name] = /^package ([\w.]+);$/.exec(line) ?? [];
    if (name !== undefined) {
      this.file.package = name;
      this.file.comment = this.#said();
      return true;
    }
    return this.#opening(line) || this.#member(line);
  }

  #opening(line: string): boolean {
    const [, kind, name = "", closed] = /^(service|message|enum) (\w+) \{(\})?$/.exec(line) ?? [];
    if (kind === "service") {
      const service: ProtoService = { name, comment: this.#said(), methods: [] };
      this.file.services.push(service);
      this.#open.push(service);
    } else if (kind === "message" || kind === "enum") {
      const full = [...this.#open.map((outer) => outer.name), name].join(".");
      const type: ProtoType = { kind, name: full, comment: this.#said(), fields: [] };
      this.file.types.push(type);
      if (closed === undefined) this.#open.push(type);
    }
    return kind !== undefined;
  }

  #member(line: string): boolean {
    const inside = this.#open.at(-1);
    if (!inside) return false;
    const comment = this.#said();
    if ("methods" in inside) {
      const [, name, takes = "", gives = ""] = METHOD.exec(line) ?? [];
      if (name !== undefined) inside.methods.push({ name, takes, gives, comment });
      return name !== undefined;
    }
    if (inside.kind === "enum") {
      const [, name, number] = VALUE.exec(line) ?? [];
      if (name !== undefined) inside.fields.push({ name, type: "", number: Number(number), comment });
      return name !== undefined;
    }
    const [, type = "", name, number] = FIELD.exec(line) ?? [];
    if (name !== undefined) inside.fields.push({ name, type, number: Number(number), comment });
    return name !== undefined;
  }

  #said(): string {
    return this.#comment.join(" ");
  }
}
