import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renderReport } from '../../reports/html/page.ts';
import { type BrowserPlay, Results } from '../../reports/results.ts';
import { distribution, finding, gate } from './samples.ts';

const NOTHING = { p50: null, p90: null, p99: null, p999: null, max: null, count: 0 };

const play: BrowserPlay = {
  topology: 'edge-cluster',
  engine: 'builtin',
  protocol: 'hls',
  url: 'http://127.1.0.1:8080/live/<b>.m3u8',
  firstPictureMs: 311,
  pictures: { shown: 198, dropped: 2, missing: 1, unreadable: 0 },
  stalls: { count: 1, ratio: 0.125 },
  glass: distribution(200, 3700, 100),
  driver: distribution(200, 900, 100),
  artefacts: ['artefacts/a b/screenshot.png'],
};

test('a run in the browser shows its plays, those with a defect apart, and a matrix of the healthy clusters', () => {
  const results = Results.parse({
    ...gate([
      finding({ check: 'browser/hls-frames', verdict: 'fail' }),
      finding({ check: 'browser/hls-cors', mutant: 'web-no-cors' }),
    ]),
    kind: 'browser',
    browser: {
      browser: 'Chromium 156.0',
      plays: [play, { ...play, mutant: 'web-no-cors', firstPictureMs: null, glass: NOTHING }],
    },
  });
  const page = renderReport(results);
  assert.match(page, /In the browser <span class="count">Chromium 156\.0</);
  assert.match(page, /<td class="number">311 ms<\/td>/);
  assert.match(page, /<td class="number">12\.5 %<\/td>/);
  assert.match(page, /<a href="\.\/artefacts\/a%20b\/screenshot\.png">screenshot\.png<\/a>/);
  assert.match(
    page,
    /Clusters with a defect, 1<[\s\S]*edge-cluster, builtin, mutant web-no-cors<[\s\S]*<td class="number">—<\/td>/,
  );
  const matrix = /<table class="matrix">[\s\S]*?<\/table>/.exec(page)?.[0] ?? '';
  assert.match(matrix, /browser\/hls-frames/);
  assert.doesNotMatch(matrix, /browser\/hls-cors/);
});
