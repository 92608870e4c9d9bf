import { expect, test } from "bun:test";
import { COMPUTED, exportedLiteral } from "./literal.ts";

function fieldsOf(source: string): unknown {
  const read = exportedLiteral(source);
  return read && { maker: read.maker, ...plain(read.fields) };
}

function plain(value: unknown): Record<string, unknown> {
  return Object.fromEntries([...(value as Map<string, unknown>)].map(([key, inner]) => [key, inside(inner)]));
}

function inside(value: unknown): unknown {
  if (value instanceof Map) return plain(value);
  return Array.isArray(value) ? value.map(inside) : value;
}

const CASES: [says: string, source: string, fields: unknown][] = [
  ["nothing of what makes it", "export default { name: 'a' };", { maker: "", name: "a" }],
  [
    "texts, numbers, lists and objects",
    'export default f({ name: "a", n: 5_000, l: ["x", `y`], o: { p: true }, });',
    { maker: "f", name: "a", n: 5000, l: ["x", "y"], o: { p: true } },
  ],
  [
    "what is computed, and goes on behind it",
    'export default f({ a: 1 + 2, b: g("}"), c: (x: number) => ({ x }), async d(j) { return [j, ")"]; }, ...more, e: -1, f: "z" });',
    {
      maker: "f",
      a: COMPUTED,
      b: COMPUTED,
      c: COMPUTED,
      d: COMPUTED,
      "...more": COMPUTED,
      e: COMPUTED,
      f: "z",
    },
  ],
  [
    "constants, where they are written out",
    'const NAME = "a" as const; const jobs = { x() {} }; const p = f({ name: NAME, jobs, t: later }); export default p;',
    { maker: "f", name: "a", jobs: { x: COMPUTED }, t: COMPUTED },
  ],
  [
    "regular expressions and templates that look like brackets",
    'export default { a: /["\'}]/g, b: `x ${`}` + "}"} y`, c: x / y / z, d: "e" };',
    { maker: "", a: COMPUTED, b: COMPUTED, c: COMPUTED, d: "e" },
  ],
  [
    "constants that go in circles",
    "const a = b; const b = a; export default { a };",
    { maker: "", a: COMPUTED },
  ],
];

test.each(CASES)("a module is read: %s", (_, source, fields) => {
  expect(fieldsOf(source)).toEqual(fields);
});

test.each(["export const x = 1;", "export default class {}", "export default make();", ""])(
  "what writes no object out has none: %s",
  (source) => {
    expect(exportedLiteral(source)).toBeNull();
  },
);

test("constants that double and double are given up", () => {
  const names = Array.from({ length: 60 }, (_, index) => `c${index}`);
  const doubled = names.map((name, index) => `const ${name} = [${names[index + 1]}, ${names[index + 1]}];`);
  expect(exportedLiteral(`${doubled.join("\n")} export default { c0, name: "a" };`)).not.toBeNull();
});

test("any tangle ends", () => {
  const letters = "{}[](),:;`'\"/ab.=> \n$".split("");
  let seed = 7;
  const next = () => (seed = (seed * 48_271) % 2_147_483_647);
  for (let round = 0; round < 500; round++) {
    const tangle = Array.from({ length: 40 }, () => letters[next() % letters.length]).join("");
    try {
      exportedLiteral(`export default { ${tangle} };`);
    } catch (error) {
      expect(error).toBeInstanceOf(Error); // The transpiler's, for most of them.
    }
  }
});
