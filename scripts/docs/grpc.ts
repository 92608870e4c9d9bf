/** Grpc: the reference part of docs/grpc.md: every service and message of both packages, with their comments. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { code, paragraphs, prose, table } from "./markdown.ts";
import { type ProtoFile, type ProtoService, type ProtoType, readProto } from "./proto.ts";

/** The made parts, by the name that the page calls them: one for each package. */
export function grpcParts(root: string): Record<string, string> {
  return {
    "qntx.v1": packagePart(root, "proto/qntx/v1"),
    protocol: packagePart(root, "proto/protocol"),
  };
}

function packagePart(root: string, folder: string): string {
  const files = readdirSync(join(root, folder)).filter((name) => name.endsWith(".proto"));
  return paragraphs(
    files.toSorted().map((name) => {
      const path = `${folder}/${name}`;
      return filePart(path, readProto(readFileSync(join(root, path), "utf8")));
    }),
  );
}

function filePart(path: string, file: ProtoFile): string {
  return paragraphs([
    `### ${path}`,
    prose(file.comment),
    ...file.services.map((service) => servicePart(file, service)),
    ...file.types.map(typePart),
  ]);
}

function servicePart({ package: name }: ProtoFile, service: ProtoService): string {
  const rows = service.methods.map(({ name, takes, gives, comment }) => [
    code(name),
    code(takes),
    code(gives),
    prose(comment),
  ]);
  return paragraphs([
    `#### Service ${name}.${service.name}`,
    prose(service.comment),
    table(["method", "takes", "gives", ""], rows),
  ]);
}

function typePart({ kind, name, comment, fields }: ProtoType): string {
  const rows = fields.map((field) =>
    kind === "enum"
      ? [String(field.number), code(field.name), prose(field.comment)]
      : [String(field.number), code(field.name), code(field.type), prose(field.comment)],
  );
  const titles = kind === "enum" ? ["no.", "value", ""] : ["no.", "field", "type", ""];
  return paragraphs([
    `#### ${name}`,
    prose(comment),
    rows.length === 0 ? "It has no fields." : table(titles, rows),
  ]);
}
