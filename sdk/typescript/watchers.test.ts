import { expect, test } from "bun:test";
import type { DeclaredWatcher } from "./qntx.ts";
import { readWatchers } from "./watchers.ts";

test("a watcher travels with the name of its handler in full", () => {
  expect(readWatchers("p", [{ id: "w", handler: "read", subjects: ["a"], maxPerSecond: 3 }])).toEqual([
    {
      id: "w",
      handlerName: "p.read",
      subjects: ["a"],
      predicates: [],
      contexts: [],
      actors: [],
      maxFiresPerSecond: 3,
    },
  ]);
});

test.each<[watcher: object, sentence: string]>([
  [{ handler: "x" }, "The watcher no. 1 of plugin p has no id."],
  [{ id: "w" }, 'The watcher "w" of plugin p has no handler.'],
  [{ id: "w", handler: "x", predicate: ["a"] }, 'The watcher "w" of plugin p has no field predicate.'],
  [
    { id: "w", handler: "x", actors: "me" },
    'actors of watcher "w" of plugin p is "me"; it must be a list of texts.',
  ],
  [{ id: "w", handler: "x", maxPerSecond: 0.5 }, 'maxPerSecond of watcher "w" of plugin p is 0.5'],
])("a watcher that is %j is refused", (watcher, sentence) => {
  expect(() => readWatchers("p", [watcher as DeclaredWatcher])).toThrow(sentence);
});
