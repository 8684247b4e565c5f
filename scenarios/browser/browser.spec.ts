/** One test per cluster and protocol: it is red when a finding is, or when a defect was not found. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { test as base, expect } from '@playwright/test';
import type { Cluster } from '../../lab/cluster.ts';
import { startCluster } from '../../lab/runners/process.ts';
import type { MediaSettings } from '../../lab/topology.ts';
import { HLS_FRAGMENT_MS, HLS_WINDOW_MS, ORIGIN_ALIVE_MS, ORIGIN_HEARTBEAT_MS } from '../bounds.ts';
import { findingsOf, playOf, proofOf } from './findings.ts';
import { type PageServer, servePage } from './page-server.ts';
import type { BrowserRun } from './plan.ts';
import { playInBrowser } from './play.ts';
import { planOf, theRequest } from './request.ts';
import { OUTCOME, type Outcome, placeOf, titleOf } from './tests.ts';

const request = theRequest();

/** SRS's own merged write of 350 ms, since it is a part of what is measured; short segments, as in the gate. */
const SETTINGS: Partial<MediaSettings> = {
  hls: { fragmentSeconds: HLS_FRAGMENT_MS / 1000, windowSeconds: HLS_WINDOW_MS / 1000, sessions: false },
  registration: { heartbeatMs: ORIGIN_HEARTBEAT_MS, aliveMs: ORIGIN_ALIVE_MS },
};

const test = base.extend<object, { pages: PageServer }>({
  pages: [
    // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the names of fixtures from the parameter
    async ({}, use) => {
      const server = await servePage();
      await use(server);
      await server.close();
    },
    { scope: 'worker' },
  ],
});

for (const run of planOf(request).runs) describeRun(run);

function describeRun(run: BrowserRun): void {
  const { topology, engine, protocols, proof } = run;
  test.describe(titleOf(run), () => {
    let cluster: Cluster | undefined;

    test.beforeAll(async () => {
      const runDir = join(request.out, 'cluster', topology.name, proof?.mutant ?? 'healthy');
      mkdirSync(runDir, { recursive: true });
      cluster = await startCluster({
        topology,
        engine,
        runDir,
        settings: SETTINGS,
        ...(request.srsPath === undefined ? {} : { srsPath: request.srsPath }),
        openUdp: request.openUdp === true,
        ...(proof === undefined ? {} : { mutants: [proof.mutant] }),
      });
    });

    test.afterAll(() => cluster?.down());

    for (const protocol of protocols) {
      test(protocol, async ({ page, pages, browser }, info) => {
        const began = performance.now();
        const place = placeOf(run, protocol);
        const stream = `browser-${protocol}-${info.workerIndex}`;
        const record = await playInBrowser({ cluster: cluster!, protocol, stream, page, pageUrl: pages.url });
        const screenshot = info.outputPath('screenshot.png');
        await page.screenshot({ path: screenshot });
        await page.evaluate(() => liveproof.stop());
        const file = info.outputPath('record.json');
        writeFileSync(file, `${JSON.stringify(record)}\n`);

        const found = findingsOf(record, place, Math.round(performance.now() - began));
        const findings = proof === undefined ? found : [proofOf(found, proof.requirement, proof.mutant)];
        const artefacts = [screenshot, file].map((path) => relative(request.out, path));
        const outcome: Outcome = {
          browser: `Chromium ${browser.version()}`,
          findings,
          play: playOf(record, place, artefacts, proof?.mutant),
        };
        await info.attach(OUTCOME, { body: JSON.stringify(outcome), contentType: 'application/json' });
        const bad = findings.filter(({ verdict }) => verdict !== 'pass');
        expect(bad.map(({ check, verdict, actual }) => `${verdict} ${check}: ${actual}`)).toEqual([]);
      });
    }
  });
}
