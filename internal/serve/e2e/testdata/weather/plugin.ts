// A module as it is written for QNTX's own TypeScript runtime, whose words it uses. It knows nothing of ours.

interface Request {
  method: string;
  path: string;
  json(): Promise<{ place?: string }>;
}

interface Response {
  json(data: unknown): void;
  text(data: string): void;
  status(code: number): Response;
}

interface Mux {
  handle(method: string, path: string, handler: (request: Request, response: Response) => unknown): void;
}

let places: string[] = [];
let endpoint = "";

export default {
  name: "weather",
  version: "0.4.2",
  qntx_version: ">= 0.1.0",
  description: "Says what the weather was",
  author: "somebody else",
  license: "MIT",

  handler_names: ["weather.fetch"],
  schedules: [
    {
      handler_name: "weather.fetch",
      interval_seconds: 1,
      enabled_by_default: true,
      description: "each second",
      ats_code: "",
    },
  ],

  async init(request: { ats_store_endpoint: string; config: Record<string, string> }) {
    endpoint = request.ats_store_endpoint;
    places = JSON.parse(request.config["places"] ?? "[]") as string[];
  },

  async shutdown() {
    places = [];
  },

  registerHTTP(mux: Mux) {
    mux.handle("GET", "/places", (_request, response) => response.json({ places, endpoint }));
    mux.handle("POST", "/places", async (request, response) => {
      const { place } = await request.json();
      if (place === undefined) return response.status(422).json({ error: "place is missing" });
      places.push(place);
      response.text(`${places.length}`);
    });
  },

  registerGlyphs() {
    return [{ symbol: "☂", title: "Weather", label: "weather", content_path: "/places" }];
  },
};
