/** A plugin that writes attestations, and tells what it can find. */
import { definePlugin, type Json } from "qntx";

export default definePlugin({
  name: "scribbler",
  version: "1.0.0",
  http: {
    async "POST /write"(request, host) {
      const wanted: Json = await request.json();
      try {
        await host.ats.create(wanted);
        return Response.json({ said: "written" });
      } catch (error) {
        if (!(error instanceof Error)) throw error;
        return Response.json({ said: error.message });
      }
    },
    async "POST /find"(request, host) {
      const { ids = [], ...filter }: Json = await request.json();
      const found = await host.ats.query(filter);
      const exists = await Promise.all(ids.map((id: string) => host.ats.exists(id)));
      return Response.json({ found: found.map(({ subjects }) => subjects.join()), exists });
    },
  },
});
