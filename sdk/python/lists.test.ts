/** A text where a list is wanted: Python would make a list of its letters. */
import { expect, test } from "bun:test";
import { PYTHON, SDK } from "./testdata/process.ts";

const HOST = "host = Plugin('p').host\nhost";
const CASES: [code: string, sentence: string][] = [
  [
    "Plugin('p').watch('w', 'h', subjects='ab')",
    "watch 'w': subjects is 'ab'; it must be a list, like ['ab'].",
  ],
  ["Plugin('p', capabilities='cap:ats.read')", "capabilities is 'cap:ats.read'; it must be a list"],
  [`${HOST}.ats.create('ab')`, "subjects: cannot be 'ab': subjects is 'ab'; it must be a list, like ['ab']."],
  [`${HOST}.ats.create_many([{'subjects': ['a'], 'actors': 'me'}])`, "actors is 'me'; it must be a list"],
  [`${HOST}.ats.query(predicates='is')`, "predicates is 'is'; it must be a list"],
  [`${HOST}.ats.watch(contexts='here')`, "contexts is 'here'; it must be a list"],
  [`${HOST}.http.fetch('https://example.org', subjects='ab')`, "subjects is 'ab'; it must be a list"],
  [`${HOST}.queue.enqueue('h', wait_for='JB_1')`, "wait_for is 'JB_1'; it must be a list"],
];

test("a text is refused where a list is wanted, with a sentence", async () => {
  const tried = CASES.map(
    ([code]) => `try:\n  exec(${JSON.stringify(code)})\n  print("taken")\nexcept Exception as e:\n  print(e)`,
  );
  const program = ["from qntx import Plugin", ...tried].join("\n");
  const child = Bun.spawn([PYTHON, "-B", "-c", program], { env: { PYTHONPATH: SDK }, stderr: "inherit" });
  const said = (await child.stdout.text()).trimEnd().split("\n");
  expect(said).toEqual(CASES.map(([, sentence]) => expect.stringContaining(sentence)));
});
