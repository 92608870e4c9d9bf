/**
 * Page: the poller's own page, for people who have no panel at hand.
 *
 * One document that asks for nothing else: style and script are inside, and the
 * policy that goes with it lets nothing more in. Everything that came from
 * somebody goes through `escape`.
 */
import type { Poll } from "./polls.ts";

const STYLE = `
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
form { display: grid; gap: .6rem; max-width: 36rem; }
label { display: grid; gap: .2rem; }
input, textarea, button { font: inherit; padding: .3rem .5rem; }
textarea { font-family: ui-monospace, monospace; min-height: 6rem; }
button { justify-self: start; }
table { border-collapse: collapse; width: 100%; margin-top: 1.5rem; }
th, td { text-align: left; padding: .4rem .6rem; border-bottom: 1px solid light-dark(#ddd, #444); }
td { overflow-wrap: anywhere; }
output { color: light-dark(#b00020, #ff8a80); white-space: pre-line; }
`;

// The page may be at /api/ix-json or /api/ix-json/, so addresses are made from where it is.
const SCRIPT = `
const base = location.pathname.replace(/\\/+$/, "");
const say = (text) => { document.querySelector("output").textContent = text; };
async function send(path, body) {
  const headers = { "content-type": "application/json" };
  const answer = await fetch(base + path, { method: "POST", headers, body: JSON.stringify(body) });
  if (answer.ok) return location.reload();
  const { error = "It did not work.", fields = [] } = await answer.json().catch(() => ({}));
  say([error, ...fields.map(({ field, message }) => field + " " + message)].join("\\n"));
}
document.querySelector("form").addEventListener("submit", (event) => {
  event.preventDefault();
  const { url, every, name, mapping } = Object.fromEntries(new FormData(event.target));
  try {
    send("/polls", { url, every, name, mapping: mapping.trim() === "" ? null : JSON.parse(mapping) });
  } catch (error) {
    say("mapping: " + error.message);
  }
});
document.querySelector("table").addEventListener("click", ({ target }) => {
  if (target.dataset.path) send(target.dataset.path, { id: target.dataset.id });
});
`;

const HASH = new Bun.CryptoHasher("sha256").update(SCRIPT).digest("base64");
const POLICY = [
  "default-src 'none'",
  "style-src 'unsafe-inline'",
  `script-src 'sha256-${HASH}'`,
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'self'",
].join("; ");

/** Answers with the page. */
export function pageOf(polls: readonly Poll[]): Response {
  return new Response(render(polls), {
    headers: {
      "content-type": "text/html; charset=utf-8",
      "content-security-policy": POLICY,
      "x-content-type-options": "nosniff",
      "cache-control": "no-store",
    },
  });
}

function render(polls: readonly Poll[]): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>ix-json</title>
<style>${STYLE}</style>
<h1>JSON polls</h1>
<form>
<label>Address <input name="url" type="url" required placeholder="https://example.org/items.json"></label>
<label>Every <input name="every" required value="5m" pattern="(\\d+(ms|[wdhms]))+"></label>
<label>Name <input name="name" maxlength="100"></label>
<label>Mapping <textarea name="mapping" placeholder='{"items": "$.items[*]", "subject": "$.id"}'></textarea></label>
<button>Activate</button>
<output></output>
</form>
<table>
<thead><tr><th>Poll<th>Every<th>State<th>Next run<th></thead>
<tbody>
${polls.map(renderRow).join("\n")}
</tbody>
</table>
<script>${SCRIPT}</script>
</html>
`;
}

function renderRow(poll: Poll): string {
  const name = poll.name === "" ? "" : `<strong>${escape(poll.name)}</strong><br>`;
  const [path, word] = poll.state === "paused" ? ["/polls/resume", "Resume"] : ["/polls/pause", "Pause"];
  return `<tr><td>${name}${escape(poll.url)}<td>${escape(poll.every)}<td>${escape(poll.state)}<td>${escape(
    poll.nextRunAt,
  )}<td>${button(path, word, poll.id)} ${button("/polls/delete", "Delete", poll.id)}`;
}

function button(path: string | undefined, word: string | undefined, id: string): string {
  return `<button data-path="${path}" data-id="${escape(id)}">${word}</button>`;
}

/** Makes text harmless between tags and inside quoted attributes. */
export function escape(text: string): string {
  const named: Record<string, string> = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "'": "&#39;",
  };
  return text.replace(/[&<>"']/g, (character) => named[character] ?? character);
}
