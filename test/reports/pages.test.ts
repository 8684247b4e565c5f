/** The pages in a real browser: no error, no script of a server's, nothing beside the screen, usable by keys. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { type Browser, chromium, type Page } from '@playwright/test';
import { edgeCluster } from '../../lab/topologies/edge-cluster.ts';
import { forwardCluster } from '../../lab/topologies/forward-cluster.ts';
import { renderReport } from '../../reports/html/page.ts';
import { startDashboard } from '../../reports/live/dashboard.ts';
import { LiveRun } from '../../reports/live/live-run.ts';
import type { Results } from '../../reports/results.ts';
import { CHROMIUM_ARGS, findChromium } from '../../scenarios/browser/chromium.ts';
import { freePort } from '../support/ports.ts';
import { pretendFigures } from './clusters.ts';
import { HOSTILE, hostile } from './hostile.ts';
import { finding, gate, hlsFigures, load, mutants, publish, timeline } from './samples.ts';

/** Kept: what the pages look like. */
const OUT = new URL('../../out/report-pages/', import.meta.url);
const WIDE = { width: 1280, height: 900 };
/** A small phone. */
const PHONE = { width: 380, height: 800 };

let browser: Browser;

before(async () => {
  mkdirSync(OUT, { recursive: true });
  browser = await chromium.launch({ executablePath: findChromium()!, args: [...CHROMIUM_ARGS] });
});

after(() => browser.close());

/** `complaints`: errors of the console, exceptions, dialogs; what the policy refuses is an error of the console. */
async function open(address: string): Promise<{ page: Page; complaints: string[] }> {
  const page = await browser.newPage({ viewport: WIDE });
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('dialog', (dialog) => {
    complaints.push(`a script ran: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on('request', (request) => {
    if (new URL(request.url()).host !== new URL(address).host) complaints.push(`asks ${request.url()}`);
  });
  await page.goto(address);
  return { page, complaints };
}

function written(name: string, results: Results): string {
  const file = new URL(`${name}.html`, OUT);
  writeFileSync(file, renderReport(results));
  return pathToFileURL(file.pathname).href;
}

async function picture(page: Page, name: string): Promise<void> {
  await page.screenshot({ path: new URL(`${name}.png`, OUT).pathname, fullPage: true });
}

/** Of what runs in the page: there are no types of the DOM here. */
const within = <T>(page: Page, expression: string) => page.evaluate<T>(expression);
const width = (page: Page) => within<number>(page, 'document.documentElement.scrollWidth');

async function fullGate(): Promise<Results> {
  const clusters = await Promise.all([pretendFigures(edgeCluster), pretendFigures(forwardCluster)]);
  const failed = finding({ check: 'failover/origin-killed', verdict: 'fail', timeline: timeline() });
  return { ...gate([...gate().findings, failed]), clusters };
}

for (const [name, results] of Object.entries({
  gate: fullGate(),
  load: load({ hls: hlsFigures() }),
  publish: publish(),
  mutants: mutants(),
})) {
  test(`${name}: no complaint, nothing beside the screen, wide and on a phone, light and dark`, async () => {
    const { page, complaints } = await open(written(name, await results));
    await within(
      page,
      "document.querySelectorAll('.cluster').forEach((details) => { details.open = true; })",
    );
    for (const [size, viewport] of Object.entries({ wide: WIDE, phone: PHONE })) {
      await page.setViewportSize(viewport);
      assert.ok((await width(page)) <= viewport.width, `${size}: ${await width(page)} px`);
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme });
        if (name === 'gate' || name === 'load') await picture(page, `${name}-${size}-${colorScheme}`);
      }
    }
    assert.deepEqual(complaints, []);
    await page.close();
  });
}

test('plots are drawn, with a canvas and a legend each', async () => {
  const { page } = await open(written('load', load()));
  const places = await page.locator('[data-plot]').count();
  assert.equal(places, 5);
  assert.equal(await page.locator('[data-plot] canvas').count(), places);
  assert.equal(await page.locator('[data-plot] .u-legend').count(), places);
  await page.close();
});

test('what a server says is text, whatever it holds', async () => {
  const { page, complaints } = await open(written('hostile', hostile()));
  assert.deepEqual(complaints, []);
  assert.equal(await page.locator('img, iframe, main script:not([type])').count(), 0);
  const shown = await page.locator('.finding .actual dd').first().textContent();
  assert.equal(shown, HOSTILE.replace(/[^\P{C}\n]/gu, '\ufffd'));
  assert.ok((await width(page)) <= WIDE.width);
  await page.setViewportSize(PHONE);
  assert.ok((await width(page)) <= PHONE.width, `on a phone: ${await width(page)} px`);
  await page.close();
});

test('by keys: past the head, from the matrix to a finding, which opens; what can be scrolled can be reached', async () => {
  const { page } = await open(written('gate', await fullGate()));
  const focused = () => within<string>(page, "document.activeElement?.className ?? ''");
  await page.keyboard.press('Tab');
  assert.equal(await focused(), 'skip');
  await page.keyboard.press('Enter');
  assert.equal(new URL(page.url()).hash, '#main');
  await page.keyboard.press('Tab');
  assert.equal(await focused(), 'scroll', 'the region of the matrix');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  const target = page.locator(new URL(page.url()).hash);
  assert.equal(await target.getAttribute('open'), '');
  const isFocused = target.locator('> summary:focus');
  assert.equal(await isFocused.count(), 1);
  await page.keyboard.press('Enter');
  assert.equal(await target.getAttribute('open'), null);
  const unreachable = await page.locator(':is(.scroll, .evidence):not([tabindex="0"])').count();
  assert.equal(unreachable, 0);
  await page.close();
});

test('live: what is opened stays open while the figures change, and the end is said', async () => {
  const run = new LiveRun({ ...gate([]), verdict: 'error' });
  const server = await startDashboard(run, { host: '127.0.0.1', port: await freePort() });
  const { page, complaints } = await open(`http://${server.authority}/`);
  const heading = page.locator('h1');
  assert.equal(await heading.textContent(), 'running');
  const clusters = [await pretendFigures(edgeCluster), await pretendFigures(forwardCluster)];
  run.update({ ...gate([finding()]), verdict: 'pass', clusters });
  await page.locator('#finding-1 > summary').click();
  await page.locator('#cluster-2 > summary').click();
  run.update({ ...gate([finding(), finding({ check: 'back-to-source/lazy' })]), verdict: 'pass', clusters });
  await page.locator('#finding-2').waitFor();
  assert.equal(await page.locator('#finding-1').getAttribute('open'), '');
  assert.equal(await page.locator('#cluster-2').getAttribute('open'), '');
  assert.equal(await page.locator('#finding-2').getAttribute('open'), null);
  await picture(page, 'live');
  run.finish(load());
  await page.getByText('The run is over').waitFor();
  assert.equal(await heading.textContent(), load().verdict);
  assert.equal(await page.locator('[data-plot] canvas').count(), 5);
  await server.close();
  assert.match((await page.textContent('#live'))!, /over/, 'an end is no loss of the connection');
  assert.deepEqual(complaints, []);
  await page.close();
});
