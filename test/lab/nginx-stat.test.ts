import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { LabError, LabErrorCode } from '../../lab/errors.ts';
import { NginxRtmpApi, parseRtmpStat, readRtmpStat } from '../../lab/nginx-stat.ts';

const PAGE = readFileSync(
  new URL('../../fixtures/captures/nginx-rtmp-1.2.2/stat.xml', import.meta.url),
  'utf8',
);

/** Serves one answer while `body` runs. */
async function serving(
  answer: { status?: number; text: string },
  body: (port: number) => Promise<void>,
): Promise<void> {
  const server = http.createServer((_, response) => {
    response.writeHead(answer.status ?? 200).end(answer.text);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    await body((server.address() as AddressInfo).port);
  } finally {
    server.close();
  }
}

describe('the statistics page of nginx-rtmp', () => {
  it('is read as it was recorded: a publisher, its ladder and two players', () => {
    const stat = parseRtmpStat(PAGE);
    assert.equal(stat.nginxVersion, '1.22.1');
    assert.equal(stat.version, '1.1.4');
    assert.deepEqual(
      stat.applications.map(({ name, streams, clients }) => [name, streams.length, clients]),
      [
        ['live', 1, 4],
        ['show', 5, 5],
      ],
    );
    const stream = stat.applications[0]!.streams[0]!;
    assert.equal(stream.name, 's1');
    assert.equal(stream.publishing, true);
    assert.deepEqual(
      stream.clients.map(({ publishing }) => publishing),
      [false, false, false, true],
    );
    assert.ok(stream.bytesIn > 100_000 && stream.bytesOut > stream.bytesIn);
    const rungs = stat.applications[1]!.streams.map(({ name }) => name).sort();
    assert.deepEqual(rungs, ['s1_high', 's1_hd720', 's1_low', 's1_mid', 's1_src'].sort());
  });

  it('has names unescaped, and what is not there is 0', () => {
    const page = `<rtmp><server><application><name>a&amp;b</name><live><stream><name>&lt;x&gt;</name>
      <client><id>7</id></client></stream></live></application></server></rtmp>`;
    const { applications, uptimeSeconds } = parseRtmpStat(page);
    assert.equal(uptimeSeconds, 0);
    assert.equal(applications[0]?.name, 'a&b');
    assert.equal(applications[0]?.streams[0]?.name, '<x>');
    assert.equal(applications[0]?.streams[0]?.clients[0]?.publishing, false);
  });

  for (const [what, page] of [
    ['another document', '<html></html>'],
    ['no number', '<rtmp><uptime>soon</uptime><server/></rtmp>'],
    ['half a page', PAGE.slice(0, PAGE.length / 2)],
    ['nothing', ''],
  ] as const) {
    it(`is refused when it is ${what}`, () => assert.throws(() => parseRtmpStat(page)));
  }

  it('answers as a NodeApi', () =>
    serving({ text: PAGE }, async (port) => {
      const api = new NginxRtmpApi('live', '127.0.0.1', port);
      const clients = await api.clients();
      const own = clients.filter(({ url }) => url === '/live/s1');
      assert.deepEqual([own.length, own.filter(({ publish }) => publish).length], [4, 1]);
      const streams = await api.streams();
      assert.equal(streams.length, 6);
      assert.equal(streams[0]?.publish.cid, own.find(({ publish }) => publish)?.id);
      assert.equal((await api.versions()).service, 'nginx-rtmp');
      await assert.rejects(api.kick('1'), { code: LabErrorCode.Api });
    }));

  it('is an error of the lab, with the node, when it does not come', async () => {
    const isApiError = (error: unknown): boolean =>
      error instanceof LabError && error.code === LabErrorCode.Api && error.node === 'live';
    await serving({ status: 404, text: PAGE }, (port) =>
      assert.rejects(readRtmpStat('live', '127.0.0.1', port), isApiError),
    );
    await serving({ text: 'x' }, (port) =>
      assert.rejects(readRtmpStat('live', '127.0.0.1', port), isApiError),
    );
    await assert.rejects(readRtmpStat('live', '127.0.0.1', 9), isApiError);
  });
});
