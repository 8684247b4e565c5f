/** Each mutant of forwarding shows what it says. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import type { MutantId } from '../../../lab/builtin/mutants.ts';
import { FROM, masterOf, publishersOf } from './forward-support.ts';
import { eventually, publishForever, RtmpPeer, startNode, stopAll, type TestNode } from './support.ts';

after(stopAll);

describe('mutants', { concurrency: 3 }, () => {
  async function withMutant(
    id: MutantId,
    look: (near: TestNode, slave: TestNode, publisher: RtmpPeer) => Promise<void>,
  ): Promise<void> {
    const role = id.startsWith('slave') ? 'slave' : 'master';
    const slave = await startNode({
      role: 'slave',
      host: '127.0.0.17',
      mutants: role === 'slave' ? [id] : [],
    });
    const near = await masterOf([slave], { mutants: role === 'master' ? [id] : [] });
    const publisher = await publishForever(near, 'x', FROM);
    await look(near, slave, publisher);
    publisher.close();
    await Promise.all([near.kill(), slave.kill()]);
  }
  const forwarded = (slave: TestNode): Promise<true | undefined> =>
    eventually('forwarded', async () => (await publishersOf(slave, 'x')).length === 1 || undefined);
  const ended = (near: TestNode): number => near.output.match(/forward of .*ended/g)?.length ?? 0;
  const attempts = (near: TestNode): number => near.output.match(/forwards \/live\/x/g)?.length ?? 0;
  const settle = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

  test('master-skips-a-slave', () =>
    withMutant('master-skips-a-slave', async (near, slave) => {
      await settle(200);
      assert.equal(attempts(near), 0);
      assert.equal((await publishersOf(slave, 'x')).length, 0);
    }));

  for (const id of ['master-forward-stops-after-slave-restart', 'master-forward-retries-late'] as const) {
    test(id, () =>
      withMutant(id, async (near, slave) => {
        await forwarded(slave);
        await slave.kill();
        await eventually('ended', () => ended(near) === 1);
        await settle(400);
        assert.equal(ended(near), 1, 'no second attempt within four pauses');
      }),
    );
  }

  test('master-rebases-timestamps', () =>
    withMutant('master-rebases-timestamps', async (_near, slave) => {
      const player = await RtmpPeer.player(slave, 'x');
      await player.until('media', () => player.videoTimes.length > 0);
      assert.ok(player.videoTimes[0]! < 10_000);
    }));

  test('master-forward-disturbs-publisher', () =>
    withMutant('master-forward-disturbs-publisher', async (_near, slave, publisher) => {
      await forwarded(slave);
      await slave.kill();
      await publisher.until('thrown out', () => publisher.closed);
    }));

  test('master-forward-without-headers', () =>
    withMutant('master-forward-without-headers', async (_near, slave) => {
      const player = await RtmpPeer.player(slave, 'x');
      await player.until('media', () => player.videoTimes.length > 0);
      assert.ok(player.media(9).every(({ payload }) => payload[1] === 1));
    }));

  test('master-forward-keeps-after-unpublish', () =>
    withMutant('master-forward-keeps-after-unpublish', async (near, slave, publisher) => {
      await forwarded(slave);
      publisher.close();
      await eventually('unpublished', () => /unpublish/.test(near.output));
      await settle(200);
      assert.equal((await publishersOf(slave, 'x')).length, 1);
    }));

  test('slave-refuses-second-publish-forever', () =>
    withMutant('slave-refuses-second-publish-forever', async (near, slave, publisher) => {
      await forwarded(slave);
      publisher.close();
      await eventually('ended', () => ended(near) === 1);
      await publishForever(near, 'x');
      await eventually('refused again and again', () => ended(near) > 3);
    }));
});
