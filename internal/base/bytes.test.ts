import { expect, test } from "bun:test";
import { formatBytes, parseBytes } from "./bytes.ts";

test.each([
  ["512MiB", 536_870_912, "512 MiB"],
  ["1.5 GiB", 1_610_612_736, "1.5 GiB"],
  ["2048KiB", 2_097_152, "2 MiB"],
])("%p is read and written", (text, bytes, written) => {
  expect(parseBytes(text)).toBe(bytes);
  expect(formatBytes(bytes)).toBe(written);
});

test.each(["", "512", "512MB", "512 mib", "-1MiB", "1e3MiB", "MiB", "1.MiB", "0x1MiB"])(
  "%p is no amount",
  (text) => {
    expect(parseBytes(text)).toBeUndefined();
  },
);
