/** What a page says and what a terminal shows: when they are the same. */
import { describe, expect, test } from "bun:test";
import { match, translated } from "./match.ts";

const ID = "JB_01M7VXN1WKY4WDJH69G0X40X60";
const OTHER = "JB_01M8AAAAAAAAAAAAAAZZZZZZZ9";

const same: [what: string, written: string, shown: string][] = [
  ["the very same", "a\nb", "a\nb"],
  ["widths of columns", "NAME  STATE", "NAME    STATE  "],
  ["anything in a line", "mode … here", "mode 0644 here"],
  ["any lines, none too", "a\n…\nz", "a\nz"],
  ["any lines", "a\n…\nz", "a\nb\nc\nz"],
  ["another id", `Job ${ID} is done.`, `Job ${OTHER} is done.`],
  ["the end of an id", "G0X40X60  fired", "ZZZZZZZ9  fired"],
  ["an instant that nobody chose", "at 2026-11-20T07:21:14.904Z", "at 2027-01-02T03:04:05.678Z"],
  ["how long ago", "created 3 min ago, next in 2 s", "created now, next in 18 h"],
  ["the time of a line", "07:21:14 info hello", "23:59:59 info hello"],
  ["ports and pids", "http://127.0.0.1:8877/ by pid 12", "http://127.0.0.1:40213/ by pid 34567"],
  ["a job that was taken already", "Job x is queued: waits for a free slot.", "Job x is running."],
];

const different: [what: string, written: string, shown: string][] = [
  ["another word", "fired", "skipped"],
  ["a line more", "a", "a\nb"],
  ["a line less", "a\nb", "a"],
  ["an instant that was chosen", "2026-03-29T01:00:00.000Z", "2026-03-29T02:00:00.000Z"],
  ["a time of day", "2026-03-29 03:00:00", "2026-03-29 02:00:00"],
  ["one id that is two", `${ID}\n${ID}`, `${ID}\n${OTHER}`],
  ["an id and its end that are not one", `${ID}\nG0X40X60`, `${OTHER}\nG0X40X60`],
  ["another number", "3 of 5", "4 of 5"],
];

const matches = (written: string, shown: string) =>
  match(written.split("\n"), shown.split("\n"), new Map()) !== null;

describe("a page may differ from a terminal in", () => {
  test.each(same)("%s", (_, written, shown) => expect(matches(written, shown)).toBe(true));
});

describe("a page may not differ from a terminal in", () => {
  test.each(different)("%s", (_, written, shown) => expect(matches(written, shown)).toBe(false));
});

test("an id of the page is this run's in the commands that follow", () => {
  const ids = match([`Job ${ID} is done.`], [`Job ${OTHER} is done.`], new Map());
  expect(translated("qntx job show G0X40X60", ids ?? new Map())).toBe("qntx job show ZZZZZZZ9");
  expect(translated(`qntx job show ${ID}`, ids ?? new Map())).toBe("qntx job show ZZZZZZZ9");
});
