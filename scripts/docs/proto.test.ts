/** Proto: our files are read whole, and what is not understood is not left out. */
import { expect, test } from "bun:test";
import { readProto } from "./proto.ts";

const TEXT = `
syntax = "proto3";

// What a package is
// about.
package acme.v1;

import "other.proto";

// Does things.
service Doer {
  // Does one.
  rpc Do(Thing) returns (stream acme.v1.Done);
}

message Thing {
  // Its name.
  string name = 1;
  // An aside.

  repeated map.Part parts = 2;
  map<string, string> labels = 3;
  enum Kind {
    PLAIN = 0;
  }
  optional Kind kind = 12;
}

message Done {}
`;

test("services, messages and nested enums come with the comment that stands above them", () => {
  const file = readProto(TEXT);
  expect(file).toEqual({
    package: "acme.v1",
    comment: "What a package is about.",
    services: [
      {
        name: "Doer",
        comment: "Does things.",
        methods: [{ name: "Do", takes: "Thing", gives: "stream acme.v1.Done", comment: "Does one." }],
      },
    ],
    types: [
      {
        kind: "message",
        name: "Thing",
        comment: "",
        fields: [
          { name: "name", type: "string", number: 1, comment: "Its name." },
          { name: "parts", type: "repeated map.Part", number: 2, comment: "" },
          { name: "labels", type: "map<string, string>", number: 3, comment: "" },
          { name: "kind", type: "optional Kind", number: 12, comment: "" },
        ],
      },
      {
        kind: "enum",
        name: "Thing.Kind",
        comment: "",
        fields: [{ name: "PLAIN", type: "", number: 0, comment: "" }],
      },
      { kind: "message", name: "Done", comment: "", fields: [] },
    ],
  });
});

// what stands in a file, why it is not understood
const UNKNOWN: readonly (readonly [string, string])[] = [
  ["message A {\n  oneof b {\n", "a oneof"],
  ["message A {\n  string b = 1 [deprecated = true];\n", "an option"],
  ["string b = 1;", "a field outside a message"],
  ["}", "an end of nothing"],
];

for (const [text, why] of UNKNOWN) {
  test(`${why} is an error that names its line`, () => {
    expect(() => readProto(text)).toThrow(`Line ${text.trim().split("\n").length} is not understood`);
  });
}
