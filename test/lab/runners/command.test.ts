import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { CommandError, runCommand } from '../../../lab/runners/command.ts';
import { readProcess } from '../../../lab/runners/proc.ts';

/** Tells the pid of a program that it starts and that has its output, and then does what `then` says. */
function starter(then: 'ends' | 'waits'): string[] {
  const script = `
    import { spawn } from 'node:child_process';
    const started = spawn('sleep', ['60'], { stdio: 'inherit' });
    started.on('spawn', () => {
      console.log(started.pid);
      if (${then === 'ends'}) started.unref();
    });`;
  return [process.execPath, '--input-type=module', '-e', script];
}

async function failureOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => assert.fail('it did not reject'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof CommandError, String(error));
  return error.message;
}

async function gone(pid: number): Promise<void> {
  while (readProcess(pid) !== undefined) await delay(5);
}

describe('a command', { timeout: 10_000 }, () => {
  test('ends with what it wrote, or says why it did not do its work', async () => {
    const { stdout } = await runCommand(['printf', '%s', 'a b']);
    assert.equal(stdout, 'a b');
    assert.match(await failureOf(runCommand(['cat', '/nothing/here'])), /^cat .*: ended with code 1: cat: /);
    assert.match(await failureOf(runCommand(['/nothing/here'])), /ENOENT/);
  });

  test('is not waited for any longer when what it has started goes on, and has its output', async () => {
    const { stdout } = await runCommand(starter('ends'));
    const pid = Number(stdout);
    assert.notEqual(readProcess(pid), undefined, 'it goes on');
    process.kill(pid, 'SIGKILL');
  });

  test('that takes too long is given up, even if what it has started goes on', async () => {
    const message = await failureOf(runCommand(starter('waits'), { timeoutMs: 1500 }));
    const pid = Number(/: not done in 1500 ms: (\d+)$/.exec(message)?.[1]);
    assert.notEqual(readProcess(pid), undefined, message);
    process.kill(pid, 'SIGKILL');
  });

  test('that is apart is given up with all that it has started', async () => {
    const interruption = new AbortController();
    const began = runCommand(starter('waits'), { signal: interruption.signal, apart: true });
    setTimeout(() => interruption.abort(), 1500);
    const message = await failureOf(began);
    const pid = Number(/: interrupted: (\d+)$/.exec(message)?.[1]);
    assert.ok(pid > 0, message);
    await gone(pid);
  });
});
