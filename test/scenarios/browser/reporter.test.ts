import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Suite, TestResult } from '@playwright/test/reporter';
import { resultsSince } from '../../../cli/browser.ts';
import ResultsReporter from '../../../scenarios/browser/reporter.ts';
import { environmentOf } from '../../../scenarios/browser/request.ts';
import { resultsIn } from '../../cli/surroundings.ts';

function temporary(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'liveproof-browser-'));
  t.after(() => rmSync(directory, { recursive: true }));
  return directory;
}

/** What is left of a run of HTTP-FLV and WHEP whose first test ended like this. */
async function left(out: string, status: 'interrupted' | 'failed', first?: TestResult['status']) {
  const request = environmentOf({
    ...{ out, topologies: ['edge-cluster'], protocols: ['flv', 'webrtc'] },
    ...{ proofs: false, chromium: '/usr/bin/chromium', command: ['browser'], named: true },
  });
  Object.assign(process.env, request);
  try {
    const reporter = new ResultsReporter();
    const result = { status: first, duration: 1000, errors: [], attachments: [] };
    const tests = [{ title: 'flv', parent: { title: 'edge-cluster of builtin' }, results: [result] }];
    const suite = { allTests: () => (first === undefined ? [] : tests) };
    reporter.onBegin(undefined, suite as unknown as Suite);
    await reporter.onEnd({ status });
  } finally {
    for (const name of Object.keys(request)) delete process.env[name];
  }
  return resultsIn(out);
}

test('who interrupts it makes no error of what was not played to its end', async (t) => {
  for (const first of [undefined, 'interrupted', 'skipped'] as const) {
    const { verdict, interrupted, findings } = await left(temporary(t), 'interrupted', first);
    assert.deepEqual([verdict, interrupted, findings.length], ['inconclusive', true, 10]);
    assert.ok(findings.every((finding) => finding.verdict === 'inconclusive'));
  }
});

test('what broke, or was not run without that, is an error', async (t) => {
  const failed = await left(temporary(t), 'interrupted', 'failed');
  assert.deepEqual([failed.verdict, failed.findings[0]!.actual], ['error', 'the test is failed']);
  const { verdict, findings } = await left(temporary(t), 'failed');
  assert.deepEqual([verdict, findings[0]!.actual], ['error', 'it was not run']);
});

test('the results of an earlier run in the same folder are not those of this one', async (t) => {
  const out = temporary(t);
  const none = { name: 'CommandError', exitCode: 1 };
  await assert.rejects(resultsSince(out, Date.now()), none);
  const earlier = await left(out, 'failed');
  const since = Date.parse(earlier.startedAt);
  assert.equal((await resultsSince(out, since)).verdict, 'error');
  await assert.rejects(resultsSince(out, since + 1), none);
  writeFileSync(join(out, 'results.json'), '{}');
  await assert.rejects(resultsSince(out, since), { name: 'UsageError' });
});
