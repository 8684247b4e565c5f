/** Serves the page that plays, on loopback: another origin than any cluster, as the page of a real site is. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const SCRIPT = fileURLToPath(new URL('page/main.ts', import.meta.url));

const HTML = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>liveproof: a player</title><link rel="icon" href="data:,">
<style>body { margin: 0; background: #222 } video { display: block; width: 640px; height: 360px }</style></head>
<body><video muted playsinline></video><script src="/page.js"></script></body>
</html>
`;

export interface PageServer {
  readonly url: string;
  /** Idempotent. */
  close(): Promise<void>;
}

export async function servePage(): Promise<PageServer> {
  const script = await bundle();
  const server = createServer((request, response) => {
    const answer = { '/': ['text/html', HTML], '/page.js': ['text/javascript', script] }[request.url ?? ''];
    if (answer === undefined) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { 'Content-Type': `${answer[0]}; charset=utf-8`, 'Cache-Control': 'no-store' });
    response.end(answer[1]);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    async close() {
      server.closeAllConnections();
      if (server.listening) await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** The script of the page with its players in one file. */
async function bundle(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [SCRIPT],
    bundle: true,
    write: false,
    format: 'iife',
    target: 'chrome110',
    logLevel: 'silent',
  });
  return outputFiles[0]!.text;
}
