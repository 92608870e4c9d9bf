/**
 * Handler offer: whether anybody runs what somebody names. A handler that nobody offers
 * is taken all the same, for its plugin may come later; whoever names it is told, because
 * a slip of the pen waits for ever.
 */
import { nearestOfParts } from "../base/suggest.ts";
import { savedHandlers } from "./handler.ts";
import type { Context } from "./operation.ts";

const WARNINGS_MAX = 10; // A document names hundreds; whoever reads ten knows what is wrong.

/** What whoever names these handlers should know. Plugins name their own before they announce them, and are not told. */
export async function handlerWarnings(context: Context, handlers: Iterable<string>): Promise<string[]> {
  if (context.principal.kind === "plugin") return [];
  const unknown = await unknownAmong(context, new Set(handlers));
  const more = unknown.length - WARNINGS_MAX;
  return [...unknown.slice(0, WARNINGS_MAX), ...(more > 0 ? [`So it is with ${more} others.`] : [])];
}

/** A host that runs knows what plugins offer. Without one, the saved scripts alone are known, and only a slip is told. */
async function unknownAmong(context: Context, handlers: ReadonlySet<string>): Promise<string[]> {
  if (handlers.size === 0) return [];
  const { host } = context;
  if (!host?.ready) {
    const saved = new Set(await savedHandlers(context));
    return [...handlers.difference(saved)].flatMap((handler) => {
      const meant = nearestOfParts(handler, saved);
      return meant === undefined ? [] : [`There is no saved handler "${handler}". Did you mean ${meant}?`];
    });
  }
  const unoffered = [...handlers].filter((handler) => !host.plugins.offers(handler));
  if (unoffered.length === 0) return [];
  const announced = host.plugins.statuses().flatMap((plugin) => plugin.handlers);
  return unoffered.map((handler) => {
    const meant = nearestOfParts(handler, announced);
    const question = meant === undefined ? "" : ` Did you mean ${meant}?`;
    return `No plugin offers "${handler}" now; its runs will wait.${question}`;
  });
}
