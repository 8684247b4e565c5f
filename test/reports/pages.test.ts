/** The pages in a real browser: no error, no script of a server's, nothing beside the screen, usable by keys. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { type Browser, chromium, type Page } from '@playwright/test';
import { edgeCluster } from '../../lab/topologies/edge-cluster.ts';
import { forwardCluster } from '../../lab/topologies/forward-cluster.ts';
import { renderComparison } from '../../reports/html/compare.ts';
import { renderReport } from '../../reports/html/page.ts';
import { startDashboard } from '../../reports/live/dashboard.ts';
import { LiveRun } from '../../reports/live/live-run.ts';
import type { Results } from '../../reports/results.ts';
import { CHROMIUM_ARGS, findChromium } from '../../scenarios/browser/chromium.ts';
import { freePort } from '../support/ports.ts';
import { pretendFigures } from './clusters.ts';
import { HOSTILE, hostile } from './hostile.ts';
import { finding, gate, hlsFigures, load, mutants, publish, timeline } from './samples.ts';
import { benchFigures, benchRun, browserRun, comparedBenches, comparedLoads, k6Run } from './samples-runs.ts';

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

function written(name: string, page: string): string {
  const file = new URL(`${name}.html`, OUT);
  writeFileSync(file, page);
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

/** What can be read and has less contrast with the ground below it than WCAG 2.2 1.4.3 asks for; canvases are not looked at. */
const PALE = `(() => {
  const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const luminance = ([...rgb]) =>
    rgb.slice(0, 3)
      .map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4))
      .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const groundOf = (element) => {
    for (let at = element; at !== null; at = at.parentElement) {
      const ground = channels(getComputedStyle(at).backgroundColor);
      if (ground[3] === undefined || ground[3] === 1) return ground;
    }
    return [255, 255, 255];
  };
  const pale = new Set();
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = texts.nextNode(); node !== null; node = texts.nextNode()) {
    const element = node.parentElement;
    if (node.data.trim() === '' || element.closest('svg, script, style') !== null || !element.checkVisibility()) continue;
    const [a, b] = [luminance(channels(getComputedStyle(element).color)), luminance(groundOf(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) pale.add(node.data.trim() + ': ' + ratio.toFixed(2));
  }
  return [...pale];
})()`;

/** What scrolls and cannot be reached by keys. */
const UNREACHABLE = ':is(.scroll, .evidence):not([tabindex="0"])';

/** Plots without a line: no pixel has the colour of a series; grid, axes and their names have others. */
const BLANK = `[...document.querySelectorAll('[data-plot]')].filter((place) => {
  const root = getComputedStyle(document.documentElement);
  const series = [1, 2, 3, 4, 5, 6].map((one) => Number.parseInt(root.getPropertyValue('--series-' + one).slice(1), 16));
  const canvas = place.querySelector('canvas');
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  for (let i = 0; i < data.length; i += 4) {
    if (series.includes(data[i] * 65536 + data[i + 1] * 256 + data[i + 2])) return false;
  }
  return true;
}).map((place) => place.dataset.plot)`;

/** Of each ladder how late, and at what cost; and how late at all. */
const BENCH_PLOTS = benchFigures().ladders.length * 2 + 1;

interface Sample {
  readonly page: string | Promise<string>;
  /** Default none. */
  readonly plots?: number;
}

for (const [name, { page: rendered, plots = 0 }] of Object.entries<Sample>({
  gate: { page: fullGate().then(renderReport) },
  load: { page: renderReport(load({ hls: hlsFigures() })), plots: 5 },
  publish: { page: renderReport(publish()) },
  mutants: { page: renderReport(mutants()) },
  bench: { page: renderReport(benchRun()), plots: BENCH_PLOTS },
  k6: { page: renderReport(k6Run()), plots: 5 },
  browser: { page: renderReport(browserRun()) },
  'compare-loads': { page: renderComparison(comparedLoads()), plots: 1 },
  'compare-benches': { page: renderComparison(comparedBenches()) },
})) {
  test(`${name}: no complaint, nothing beside the screen, nothing pale, every plot drawn, wide and on a phone, light and dark`, async () => {
    const { page, complaints } = await open(written(name, await rendered));
    await within(
      page,
      "document.querySelectorAll('.cluster, .data').forEach((details) => { details.open = true; })",
    );
    for (const [size, viewport] of Object.entries({ wide: WIDE, phone: PHONE })) {
      await page.setViewportSize(viewport);
      assert.ok((await width(page)) <= viewport.width, `${size}: ${await width(page)} px`);
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme });
        assert.deepEqual(await within(page, PALE), [], `${size}, ${colorScheme}`);
        if ((size === 'wide') === (colorScheme === 'light'))
          await picture(page, `${name}-${size}-${colorScheme}`);
      }
    }
    for (const part of ['', ' canvas', ' .u-legend']) {
      assert.equal(await page.locator(`[data-plot]${part}`).count(), plots, `plots${part}`);
    }
    assert.deepEqual(await within(page, BLANK), []);
    assert.equal(await page.locator(UNREACHABLE).count(), 0);
    assert.deepEqual(complaints, []);
    await page.close();
  });
}

test('what a server says is text, whatever it holds', async () => {
  const { page, complaints } = await open(written('hostile', renderReport(hostile())));
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
  const { page } = await open(written('gate', renderReport(await fullGate())));
  const focused = () => within<string>(page, "document.activeElement?.className ?? ''");
  await page.keyboard.press('Tab');
  assert.equal(await focused(), 'skip');
  await page.keyboard.press('Enter');
  await page.waitForURL(/#main$/);
  await page.keyboard.press('Tab');
  assert.equal(await focused(), 'scroll', 'the region of the matrix');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await page.waitForURL(/#finding-\d+$/);
  const { hash } = new URL(page.url());
  await page.locator(`${hash}[open] > summary:focus`).waitFor();
  await page.keyboard.press('Enter');
  await page.locator(`${hash}:not([open]) > summary:focus`).waitFor();
  assert.equal(await page.locator(UNREACHABLE).count(), 0);
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
