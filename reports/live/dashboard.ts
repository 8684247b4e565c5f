/** `--dashboard`: the report of a run that goes on. Changes are told by server-sent events. */
import type { ServerResponse } from 'node:http';
import { renderLiveBody, renderLivePage } from '../html/page.ts';
import type { Results } from '../results.ts';
import type { LiveRun } from './live-run.ts';
import { type Address, type LiveServer, serve } from './server.ts';

/** No more than so often, however fast a run changes. */
const TELL_EVERY_MS = 1000;

export async function startDashboard(run: LiveRun, address: Address): Promise<LiveServer> {
  const listeners = new Set<ServerResponse>();
  let told = Number.NEGATIVE_INFINITY;
  let waiting: NodeJS.Timeout | undefined;
  const stage = () => (run.isOver ? 'over' : 'running');
  let rendered: { of: Results; stage: string; body: string } | undefined;
  /** Once for all that look on. */
  const body = (): string => {
    if (rendered?.of !== run.results || rendered.stage !== stage()) {
      rendered = { of: run.results, stage: stage(), body: renderLiveBody(run.results, stage()) };
    }
    return rendered.body;
  };
  const send = (event: string, data: string): void => {
    for (const response of listeners) response.write(`event: ${event}\ndata: ${data}\n\n`);
  };
  const tellChange = (): void => {
    clearTimeout(waiting);
    waiting = undefined;
    told = performance.now();
    send('change', '');
  };
  /** With the last page itself: the server is about to go. */
  const tellEnd = (): void => {
    clearTimeout(waiting);
    send('over', JSON.stringify(body()));
    for (const response of listeners) response.end();
    listeners.clear();
  };
  const end = run.subscribe(() => {
    if (run.isOver) return tellEnd();
    const wait = told + TELL_EVERY_MS - performance.now();
    if (wait <= 0) tellChange();
    else waiting ??= setTimeout(tellChange, wait).unref();
  });
  const page = (text: string) => (_: unknown, response: ServerResponse) =>
    response.setHeader('content-type', 'text/html; charset=utf-8').end(text);
  const server = await serve(address, {
    '/': (request, response) => page(renderLivePage(run.results, stage()))(request, response),
    '/body': (request, response) => page(body())(request, response),
    '/results.json'(_, response) {
      response.setHeader('content-type', 'application/json').end(JSON.stringify(run.results));
    },
    '/events'(_, response) {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('retry: 1000\n\n');
      listeners.add(response);
      response.on('close', () => listeners.delete(response));
      if (run.isOver) tellEnd();
    },
  });
  return {
    ...server,
    close() {
      end();
      for (const response of listeners) response.end();
      return server.close();
    },
  };
}
