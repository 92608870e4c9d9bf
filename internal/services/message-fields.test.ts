import { expect, test } from "bun:test";
import { AttestationCommand } from "../../proto/gen/protocol/atsstore.ts";
import { EnqueueRequest } from "../../proto/gen/protocol/queue.ts";
import { fieldText, withFieldText } from "./message-fields.ts";

test("a text is found among fields of every kind, and changed without touching them", () => {
  const request = {
    authToken: "secret",
    job: {
      id: "J",
      payload: Buffer.alloc(300, 7),
      costActual: 0.5,
      createdAt: 2 ** 40,
      progress: { total: 3 },
    },
  };
  const message = Buffer.from(EnqueueRequest.encode(EnqueueRequest.fromPartial(request)).finish());
  expect(fieldText(message, 1)).toBe("secret");
  expect(fieldText(message, 9)).toBe("");
  const changed = EnqueueRequest.decode(withFieldText(message, 1, "ü".repeat(100)));
  expect(changed).toEqual(EnqueueRequest.fromPartial({ ...request, authToken: "ü".repeat(100) }));
});

test("the last of several counts, and none of them is left behind", () => {
  const one = (text: string) =>
    Buffer.from(AttestationCommand.encode(AttestationCommand.fromPartial({ subjects: [text] })).finish());
  const twice = Buffer.concat([one("mine"), one("theirs")]);
  expect(fieldText(twice, 1)).toBe("theirs");
  expect(AttestationCommand.decode(withFieldText(twice, 1, "new")).subjects).toEqual(["new"]);
});

test.each([
  [""],
  ["0a"],
  ["0aff"],
  ["0affffffffffffffffffff01"],
  ["ffffffffffffffffffffff"],
  ["0b"],
  ["09ff"],
])("what is no message has no texts: %s", (hex) => {
  const bytes = Buffer.from(hex, "hex");
  expect(fieldText(bytes, 1)).toBe("");
  expect(fieldText(withFieldText(bytes, 1, "x"), 1)).toBe("x");
});
