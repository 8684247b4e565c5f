import assert from 'node:assert/strict';
import { request } from 'node:http';
import { hostname } from 'node:os';
import { type TestContext, test } from 'node:test';
import { renderReport } from '../../../reports/html/page.ts';
import { startDashboard } from '../../../reports/live/dashboard.ts';
import { startExporter } from '../../../reports/live/exporter.ts';
import { LiveRun } from '../../../reports/live/live-run.ts';
import { serve } from '../../../reports/live/server.ts';
import { freePort } from '../../support/ports.ts';
import { finding, gate, load } from '../samples.ts';
import { readMetrics } from './read-metrics.ts';

const BEGUN = { ...gate([]), verdict: 'error' as const };

async function dashboard(t: TestContext, run: LiveRun): Promise<string> {
  const server = await startDashboard(run, { host: '127.0.0.1', port: await freePort() });
  t.after(() => server.close());
  return `http://${server.authority}`;
}

/** The events of a live page, one after the other. */
async function* eventsOf(url: string): AsyncGenerator<{ event: string; data: string }> {
  const answer = await fetch(`${url}/events`);
  let text = '';
  for await (const chunk of answer.body!.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const fields = Object.fromEntries(
        text
          .slice(0, end)
          .split('\n')
          .map((line) => line.split(/: (.*)/s)),
      );
      text = text.slice(end + 2);
      if (fields.event !== undefined) yield { event: fields.event, data: fields.data };
    }
  }
}

/** Header and main part of a report: all that a live page replaces. */
function bodyOf(page: string): string {
  return page.slice(page.indexOf('<header>'), page.indexOf('</main>') + '</main>'.length);
}

test('the live page tells of changes, and ends with what the report says', async (t) => {
  const run = new LiveRun(BEGUN);
  const url = await dashboard(t, run);
  const first = await (await fetch(url)).text();
  assert.match(first, /<h1>running<\/h1>/);
  assert.match(first, /It has begun\./);
  const events = eventsOf(url);
  const next = events.next();
  // A change before the page listens is in the page; so tell until it does.
  const telling = setInterval(() => run.update(gate([finding()])), 20);
  assert.equal((await next).value?.event, 'change');
  clearInterval(telling);
  const body = await (await fetch(`${url}/body`)).text();
  assert.match(body, /The one finding passes so far\./);
  assert.doesNotMatch(body, /<h1>pass/, 'nothing has passed before the end');
  run.finish(gate());
  run.update(gate([]));
  let last = await events.next();
  while (last.value?.event === 'change') last = await events.next();
  assert.equal(last.value?.event, 'over');
  assert.equal(JSON.parse(last.value!.data), bodyOf(renderReport(gate())));
  assert.equal((await events.next()).done, true);
  assert.equal(bodyOf(await (await fetch(url)).text()), bodyOf(renderReport(gate())));
});

test('a failure shows at once, and is no "running" any more', async (t) => {
  const run = new LiveRun(BEGUN);
  const url = await dashboard(t, run);
  run.update({ ...gate([finding({ verdict: 'fail' })]), verdict: 'fail' });
  assert.match(await (await fetch(`${url}/body`)).text(), /<div class="banner fail">[\s\S]*<h1>fail<\/h1>/);
});

function statusAs(url: string, host: string): Promise<number | undefined> {
  return new Promise((resolve) => {
    request(url, { headers: { host } }, (answer) => resolve(answer.resume().statusCode)).end();
  });
}

test('page, events and metrics are only read, only by name of this machine, and nothing else is there', async (t) => {
  const url = await dashboard(t, new LiveRun(BEGUN));
  const page = await fetch(url);
  assert.match(await page.text(), /connect-src &#39;self&#39;/);
  assert.equal(page.headers.get('cache-control'), 'no-store');
  assert.equal((await fetch(`${url}/`, { method: 'POST' })).status, 405);
  assert.equal((await fetch(`${url}/../package.json`)).status, 404);
  assert.equal((await fetch(`${url}/constructor`)).status, 404);
  assert.equal(await statusAs(url, 'evil.example'), 403, 'DNS rebinding');
  assert.equal(await statusAs(url, hostname()), 200);
});

test('a name that it was told to listen at is its own', async (t) => {
  const server = await serve(
    // A name that leads here on every machine.
    { host: '127.1', port: 0 },
    { '/': (_, response) => response.end('here') },
  );
  t.after(() => server.close());
  const url = `http://${server.authority}/`;
  assert.equal(await statusAs(url, `127.1:${server.port}`), 200);
  assert.equal(await statusAs(url, '127.2'), 403);
});

test('secrets in URLs are masked in the page, its JSON and the metrics', async (t) => {
  const results = load({
    urls: ['rtmp://127.0.0.1/live/a?token=hunter2'],
    reasons: { 'x?token=hunter2': 1 },
  });
  const run = new LiveRun(results);
  const url = await dashboard(t, run);
  const exporter = await startExporter(run, { host: '127.0.0.1', port: await freePort() });
  t.after(() => exporter.close());
  const metrics = await fetch(`http://${exporter.authority}/metrics`);
  assert.match(metrics.headers.get('content-type')!, /^text\/plain; version=0\.0\.4/);
  const texts = [
    await metrics.text(),
    ...(await Promise.all(
      ['/', '/body', '/results.json'].map(async (path) => (await fetch(url + path)).text()),
    )),
  ];
  for (const text of texts) assert.doesNotMatch(text, /hunter2/);
  assert.equal(readMetrics(texts[0]!).get('liveproof_load_errors_total{reason="x?token=***"}'), 1);
});
