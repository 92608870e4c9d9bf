/**
 * Providers: who provides what for whom. A plugin says it when it is initialized, and it
 * is remembered over restarts, so that whoever starts beside a provider is told of it
 * from the beginning.
 *
 * A tenant's provider serves that tenant alone; the host's own serve everybody who may
 * call them.
 */
import { type Capability, grantLine } from "../access/capability.ts";
import { Fault } from "../base/fault.ts";
import { type ServiceWord, SERVICES } from "../plugin/service.ts";
import type { Connection } from "./connection.ts";
import type { Session } from "./session.ts";

/** Who asks for what others provide. */
export interface ServiceCaller {
  plugin: string;
  tenant: string;
}

/** What a plugin provides, as it said last. */
export interface Provided {
  plugin: string;
  services: readonly ServiceWord[];
}

/** A plugin, as far as it matters here. */
interface Provider {
  readonly name: string;
  readonly tenant: string;
  readonly session: Pick<Session, "connection" | "token"> | null;
}

export interface ProvidersOptions {
  /** All that are not switched off, in the order in which they stand for a name. */
  plugins(): readonly Provider[];
  capabilitiesOf(plugin: string): ReadonlySet<Capability>;
  /** What was said in earlier boots. */
  known: readonly Provided[];
  /** Keeps what a plugin says. */
  onSaid(provided: Provided): void;
}

export class Providers {
  readonly #options: ProvidersOptions;
  readonly #said = new Map<string, readonly ServiceWord[]>();

  constructor(options: ProvidersOptions) {
    this.#options = options;
    for (const { plugin, services } of options.known) this.#said.set(plugin, services);
  }

  /** A plugin is ready and provides these. True when it is other than before. */
  said(provided: Provided): boolean {
    const { plugin, services } = provided;
    if ((this.#said.get(plugin) ?? []).join() === services.join()) return false;
    this.#said.set(plugin, services);
    this.#options.onSaid(provided);
    return true;
  }

  /** What others provide for a plugin. */
  servicesFor(caller: ServiceCaller): ServiceWord[] {
    if (!this.#options.capabilitiesOf(caller.plugin).has("cap:services.use")) return [];
    const words = new Set(this.#providersFor(caller).flatMap(({ name }) => this.#said.get(name) ?? []));
    return [...words];
  }

  /** To whom a call of a service goes; `wanted` names one, where it matters. Throws a Fault when there is none. */
  provider(
    word: ServiceWord,
    caller: ServiceCaller,
    wanted: string,
  ): { connection: Connection; token: string } {
    const { service } = SERVICES[word];
    if (!this.#options.capabilitiesOf(caller.plugin).has("cap:services.use"))
      throw new Fault(
        "denied",
        `Plugin ${caller.plugin} lacks cap:services.use, and may not call ${service}.`,
        {
          hint: `Grant it with: ${grantLine(caller.plugin, ["cap:services.use"])}`,
        },
      );
    const providers = this.#providersFor(caller).filter(({ name }) => this.#said.get(name)?.includes(word));
    const asked = providers.find(({ name }) => name === wanted);
    const ready = (asked ? [asked] : providers).find(({ session }) => session !== null);
    if (ready?.session) return ready.session;
    const names = providers.map(({ name }) => name).join(", ");
    const why = names === "" ? "No plugin provides it." : `It is provided by ${names}, and not ready.`;
    throw new Fault("unreachable", `${service} cannot be reached. ${why}`);
  }

  /** Those of its tenant first. */
  #providersFor({ plugin, tenant }: ServiceCaller): Provider[] {
    const all = this.#options.plugins().filter(({ name, tenant: whose }) => {
      const may = this.#options.capabilitiesOf(name).has("cap:services.provide");
      return name !== plugin && may && (whose === tenant || whose === "");
    });
    return all.toSorted((a, b) => Number(b.tenant === tenant) - Number(a.tenant === tenant));
  }
}
