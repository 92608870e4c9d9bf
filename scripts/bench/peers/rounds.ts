/** Rounds: ours and each peer in turn, again and again, so that what the machine does meanwhile meets all of them. */
import type { Note, Row } from "../measure.ts";
import { type Peer, PEERS, versionOf } from "./list.ts";

const ROUNDS = 3;

/** What was taken in all rounds. A peer that cannot be measured has its reason. */
export interface Taken<T> {
  ours: T[];
  peers: { peer: Peer; figures: T[]; failure: string | null }[];
}

export interface Measures<T> {
  ours: () => Promise<T>;
  theirs: (peer: Peer) => Promise<T>;
  /** True for a peer whose first figure says enough, beside those of all peers. */
  far?: (first: T, all: readonly T[]) => boolean;
}

/** Takes the figures. */
export async function inRounds<T>({ ours, theirs, far = () => false }: Measures<T>): Promise<Taken<T>> {
  const taken: Taken<T> = {
    ours: [],
    peers: PEERS.map((peer) => ({ peer, figures: [], failure: null })),
  };
  let left = taken.peers;
  for (let round = 0; round < ROUNDS; round++) {
    taken.ours.push(await ours());
    for (const one of left) {
      try {
        one.figures.push(await theirs(one.peer));
      } catch (error) {
        one.failure = error instanceof Error ? error.message : String(error);
      }
    }
    const all = taken.peers.filter(({ peer }) => !peer.bare).flatMap(({ figures }) => figures);
    left = left.filter(
      ({ figures: [first], failure }) => !failure && first !== undefined && !far(first, all),
    );
  }
  return taken;
}

/** One number of the figures, ours against each peer that could be measured. */
export function against<T>(
  { ours, peers }: Taken<T>,
  { what, unit, of }: { what: string; unit: Row["unit"]; of: (figures: readonly T[]) => number },
): Row[] {
  const value = of(ours);
  return peers
    .filter(({ failure }) => failure === null)
    .map(({ peer, figures }) => ({
      what: `${what}: ${peer.name}`,
      unit,
      value,
      floor: of(figures),
      floorIs: versionOf(peer),
    }));
}

/** Who could not be measured, and why. */
export function failures<T>({ peers }: Taken<T>): Note[] {
  return peers.flatMap(({ peer, failure }) =>
    failure === null ? [] : [{ what: peer.name, note: `not measured: ${failure}` }],
  );
}
