import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { compare } from '../../cli/compare.ts';
import { ExitCode, UsageError } from '../../cli/output.ts';
import type { Results } from '../../reports/results.ts';
import { writeRun } from '../../reports/write.ts';
import { finding, gate, load } from '../reports/samples.ts';
import { Capture, temporary } from './surroundings.ts';

async function compared(t: TestContext, before: Results, after: Results) {
  const [a, b] = [temporary(t), temporary(t)];
  await Promise.all([writeRun(a, before), writeRun(b, after)]);
  const stdout = new Capture();
  const code = await compare(a, b, {}, stdout);
  return { code, text: stdout.text, page: readFileSync(join(b, 'compare.html'), 'utf8') };
}

const PASS = finding();
const PASSED: Results = { ...gate([PASS]), verdict: 'pass' };

test('a verdict that is worse is exit 1, and stands first in table and page', async (t) => {
  const after: Results = {
    ...gate([finding({ check: 'b/new' }), { ...PASS, verdict: 'fail', actual: '<b>two</b> connections' }]),
    verdict: 'fail',
  };
  const { code, text, page } = await compared(t, PASSED, after);
  assert.equal(code, ExitCode.fail);
  assert.match(
    text,
    /^back-to-source\/merged-per-edge +edge-cluster, builtin +pass +fail\nb\/new +.* not judged +pass\n/m,
  );
  assert.match(text, /pass before, fail after: worse \(1 worse, 1 not judged before, 0 findings the same\)/);
  assert.match(page, /<h1>worse<\/h1>/);
  assert.match(page, /&lt;b&gt;two&lt;\/b&gt; connections/);
});

test('what the later run did not judge nobody can say', async (t) => {
  const { code, text } = await compared(
    t,
    { ...gate([PASS, finding({ check: 'a/gone' })]), verdict: 'pass' },
    PASSED,
  );
  assert.equal(code, ExitCode.inconclusive);
  assert.match(text, /^a\/gone +edge-cluster, builtin +pass +not judged$/m);
});

test('better, and the same, is exit 0', async (t) => {
  const before: Results = { ...gate([{ ...PASS, verdict: 'inconclusive' }]), verdict: 'inconclusive' };
  assert.equal((await compared(t, before, PASSED)).code, ExitCode.pass);
  const { code, page } = await compared(t, PASSED, PASSED);
  assert.equal(code, ExitCode.pass);
  assert.match(page, /No verdict has changed/);
});

test('figures have their change; what is unknown is no zero, more of what must not happen is marked', async (t) => {
  const { latency, frames } = load().load!;
  const after = load({
    latency: { ...latency, steady: { ...latency.steady, p50: latency.steady.p50! * 1.5, p99: null } },
    frames: { ...frames, missing: 7 },
  });
  const { text, page } = await compared(t, load(), after);
  assert.match(text, /^latency, steady p50 +91 ms +137 ms +\+50 %$/m);
  assert.match(text, /^latency, steady p99 +155 ms +— +—$/m);
  assert.match(text, /^frames missing +0 +7 +0 → 7$/m);
  assert.match(page, /<th scope="row">frames missing<\/th>.*?<strong class="worse">0 → 7<\/strong>/);
  assert.match(page, /data-plot="percentiles"/);
});

test('another machine and other loads are said', async (t) => {
  const other = load({ clients: { ...load().load!.clients, requested: 10 } });
  const { text } = await compared(t, load(), { ...other, environment: { ...other.environment, cores: 64 } });
  assert.match(text, /note {2}Figures of different machines/);
  assert.match(text, /note {2}Different loads: 5000 clients; 10 clients\./);
});

test('two kinds, or what is no run, are wrong use', async (t) => {
  await assert.rejects(compared(t, PASSED, load()), UsageError);
  await assert.rejects(compare(temporary(t), temporary(t), {}, new Capture()), UsageError);
});
