import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { load } from '../../cli/load.ts';
import { printFindings } from '../../cli/output.ts';
import { Capture, surroundings, temporary } from '../cli/surroundings.ts';
import { finding, gate, loadFigures } from '../reports/samples.ts';

const SECRET = 'hunter2hunter2';
const URLS = [
  `rtmp://127.0.0.1/live/a?token=${SECRET}`,
  `http://user:${SECRET}@127.0.0.1/live/a.flv?auth_key=${SECRET}`,
  `srt://127.0.0.1:9000?streamid=x&passphrase=${SECRET}`,
  `whep://127.0.0.1/x?secret=${SECRET}`,
];

test('the secrets of URLs are in nothing that a load prints or writes', async (t) => {
  for (const json of [false, true]) {
    const out = temporary(t);
    const around = surroundings();
    const clients = { requested: 5000, joined: 4999, failed: 1, dropped: 0 };
    const reasons = { [`http.403 of ${URLS[1]}`]: 1 };
    const run = async () => ({ ...loadFigures(), urls: [...URLS], clients, reasons });
    const args = { clients: '10', ramp: '0', duration: '1s', token: SECRET, out, json };
    await load(URLS, args, { ...around, run });
    const files = readdirSync(out).map((name) => readFileSync(join(out, name), 'utf8'));
    for (const text of [around.stdout.text, around.stderr.text, ...files])
      assert.doesNotMatch(text, new RegExp(SECRET));
    assert.match(around.stdout.text, /http\.403 of http:\/\/\*\*\*@127\.0\.0\.1/);
  }
});

test('nor in findings on the terminal, which tell what a server said', () => {
  const stdout = new Capture();
  const [, second] = URLS;
  const found = finding({
    verdict: 'fail',
    expected: `a stream at ${second}`,
    actual: `Authorization: Bearer ${SECRET}`,
    evidence: [{ label: second!, detail: URLS[2]! }],
  });
  printFindings(gate([found]), `no ${second}`, undefined, stdout);
  assert.doesNotMatch(stdout.text, new RegExp(SECRET));
  assert.match(stdout.text, /auth_key=\*\*\*/);
});
