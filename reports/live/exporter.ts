/** `--prometheus`: the figures of a run that goes on, at /metrics. */
import type { LiveRun } from './live-run.ts';
import { metricsOf } from './metrics.ts';
import { type Address, type LiveServer, serve } from './server.ts';

export function startExporter(run: LiveRun, address: Address): Promise<LiveServer> {
  const registry = metricsOf(() => run.results);
  return serve(address, {
    '/metrics'(_, response) {
      registry.metrics().then(
        (text) => response.setHeader('content-type', registry.contentType).end(text),
        () => response.writeHead(500).end(),
      );
    },
  });
}
