import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { filesOfClient, requireOpenFiles } from '../../cli/open-files.ts';
import { ExitCode, UsageError } from '../../cli/output.ts';
import { LabError } from '../../lab/errors.ts';
import { connectionsFor, LEAST_CONNECTIONS, WANTED_CONNECTIONS } from '../../lab/runners/launch.ts';
import { startArgs } from '../../runtime/entry.ts';

const RTMP = ['rtmp://127.0.0.1/live/a'];

test('what a client needs depends on its protocol, and the dearest URL counts', () => {
  assert.equal(filesOfClient(RTMP), 1);
  assert.equal(filesOfClient(['http://127.0.0.1/live/a.flv']), 1);
  assert.equal(filesOfClient(['http://127.0.0.1/live/a.m3u8?x=1']), 2);
  assert.equal(filesOfClient(['whep://127.0.0.1/x']), 2);
  assert.ok(filesOfClient(['srt://127.0.0.1:9000?streamid=x']) < 0.1);
  assert.equal(filesOfClient([...RTMP, 'whep://127.0.0.1/x']), 2);
});

test('too few open files are wrong use, with the number that is needed', () => {
  const refused = (run: () => void, message: RegExp) =>
    assert.throws(run, (error) => {
      assert.ok(error instanceof UsageError, String(error));
      assert.match(error.message, message);
      return true;
    });
  requireOpenFiles(RTMP, 10_000, { workers: 2 }, 20_000);
  requireOpenFiles(RTMP, 10_000, { workers: 1 }, 10_100);
  refused(
    () => requireOpenFiles(RTMP, 10_000, { workers: 1 }, 10_099),
    /10000 clients in a process need 10100 open files, and this machine gives 10099.*ulimit -n 10100/,
  );
  refused(() => requireOpenFiles(RTMP, 10_001, { workers: 2 }, 1024), /5001 clients .* 5101 open files/);
  requireOpenFiles(RTMP, 3000, { workers: 1, shard: { index: 0, of: 4 } }, 1024);
  refused(
    () => requireOpenFiles(RTMP, 4000, { workers: 1, shard: { index: 0, of: 4 } }, 1024),
    /1000 clients/,
  );
});

test('a cluster that could hold next to nobody does not start, and its limit is said', () => {
  assert.equal(connectionsFor(2, 1_000_000), WANTED_CONNECTIONS);
  assert.equal(connectionsFor(2, 20_000), 9750);
  assert.equal(connectionsFor(2, 1000), LEAST_CONNECTIONS);
  assert.throws(
    () => connectionsFor(2, 999),
    (error) => {
      assert.ok(error instanceof LabError && error.code === 'lab.open-files', String(error));
      assert.match(error.message, /needs 1000 open files, and this machine gives 999/);
      return true;
    },
  );
});

test('the real command says it before it starts anything', () => {
  const prlimit = ['--nofile=256:256', '--', process.execPath, ...startArgs('cli/main.ts')];
  const { status, stderr } = spawnSync(
    'prlimit',
    [...prlimit, 'load', ...RTMP, '-n', '1000', '--workers', '1'],
    {
      encoding: 'utf8',
    },
  );
  assert.equal(status, ExitCode.usage, stderr);
  assert.match(stderr, /need 1100 open files, and this machine gives 256/);
});
