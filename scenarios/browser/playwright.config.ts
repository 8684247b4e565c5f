/** Of `npm run test:browser`. One worker: a second browser would take from the first what it is measured by. */
import { join } from 'node:path';
import { defineConfig } from '@playwright/test';
import { CHROMIUM_ARGS } from './chromium.ts';
import { theRequest } from './request.ts';

const { out, chromium } = theRequest();

/** A cluster comes up, HLS is listed, a browser plays, all on a busy machine. */
const TEST_MS = 120_000;

export default defineConfig({
  testDir: '.',
  testMatch: 'browser.spec.ts',
  outputDir: join(out, 'artefacts'),
  workers: 1,
  retries: 0,
  timeout: TEST_MS,
  forbidOnly: true,
  reporter: './reporter.ts',
  use: {
    browserName: 'chromium',
    headless: true,
    viewport: { width: 640, height: 360 },
    launchOptions: { executablePath: chromium, args: [...CHROMIUM_ARGS] },
    // Without its film of the page, which would take part in what is measured.
    trace: { mode: 'on', screenshots: false, snapshots: true, sources: false },
  },
});
