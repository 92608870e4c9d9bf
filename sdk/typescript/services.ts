/**
 * Services: `host.services`. Where the services are that other plugins provide, by QNTX's
 * own protocols: now, because providers come and go while a plugin runs.
 */

/** Where a service is, for a gRPC client of the plugin's own. */
export interface ServiceAddress {
  /** `127.0.0.1:port`, plaintext. */
  address: string;
  /** Goes with each call as metadata, `authorization: Bearer <token>`, and into `auth_token` where its requests have that. */
  token: string;
}

/** What others provide for this plugin now; undefined while nobody does, or it lacks cap:services.use. Look when you call. */
export interface Services {
  /** `protocol.LLMService` */
  readonly llm: ServiceAddress | undefined;
  /** `protocol.EmbeddingService` */
  readonly embedding: ServiceAddress | undefined;
  /** `protocol.VectorSearchService` */
  readonly vectorSearch: ServiceAddress | undefined;
  /** `protocol.SearchService` */
  readonly search: ServiceAddress | undefined;
}

/** Where nobody provides anything. */
export const NO_SERVICES: Services = {
  llm: undefined,
  embedding: undefined,
  vectorSearch: undefined,
  search: undefined,
};

/** As Initialize says it: the newest counts. */
export interface ToldServices {
  authToken: string;
  llmEndpoint: string;
  embeddingEndpoint: string;
  vectorSearchEndpoint: string;
  searchEndpoint: string;
}

/** Makes `host.services` of what was told last. */
export function createServices(told: () => ToldServices): Services {
  const at = (address: string) => (address === "" ? undefined : { address, token: told().authToken });
  return {
    get llm() {
      return at(told().llmEndpoint);
    },
    get embedding() {
      return at(told().embeddingEndpoint);
    },
    get vectorSearch() {
      return at(told().vectorSearchEndpoint);
    },
    get search() {
      return at(told().searchEndpoint);
    },
  };
}
