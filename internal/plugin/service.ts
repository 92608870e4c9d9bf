/**
 * Service: what a plugin may provide for all others, by QNTX's own protocols. The host
 * knows their calls by name and leads them to the provider; what is said in them is the
 * provider's affair and its callers'.
 */

export interface ServiceShape {
  /** Its name in gRPC. */
  readonly service: string;
  readonly unary: readonly string[];
  /** Calls that are answered by a stream. */
  readonly streams: readonly string[];
  /** True when the token is the first field of every request. */
  readonly hasToken: boolean;
  /** The field of a request that names the provider that is wanted; null when there is none. */
  readonly providerField: number | null;
}

export const SERVICES = {
  llm: {
    service: "protocol.LLMService",
    unary: ["Chat"],
    streams: ["StreamChat"],
    hasToken: false,
    providerField: 6,
  },
  embedding: {
    service: "protocol.EmbeddingService",
    unary: [
      "Embed",
      "BatchEmbed",
      "Cluster",
      "ModelInfo",
      "GetLabelEligibleClusters",
      "SampleClusterTexts",
      "SetClusterLabel",
    ],
    streams: [],
    hasToken: true,
    providerField: null,
  },
  vectorSearch: {
    service: "protocol.VectorSearchService",
    unary: ["Search", "AddVectors", "CreateIndex"],
    streams: [],
    hasToken: true,
    providerField: null,
  },
  search: {
    service: "protocol.SearchService",
    unary: ["Search", "IndexDocuments", "DeleteDocuments", "ConfigureIndex"],
    streams: [],
    hasToken: false,
    providerField: null,
  },
} as const satisfies Record<string, ServiceShape>;

export type ServiceWord = keyof typeof SERVICES;

/** All of them. */
export const SERVICE_WORDS = Object.keys(SERVICES).filter(isServiceWord);

/** True for a service that plugins may provide. */
export function isServiceWord(word: string): word is ServiceWord {
  return Object.hasOwn(SERVICES, word);
}
