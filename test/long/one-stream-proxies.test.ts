import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startCluster } from '../../lab/runners/process.ts';
import { proxyCluster } from '../../lab/topologies/proxy-cluster.ts';
import { carry } from '../lab/runners/one-stream.ts';

const PROXY_MAIN = fileURLToPath(new URL('../../lab/builtin/proxy/main.ts', import.meta.url));

/** The origins to which anything went. */
function originsOf(links: readonly string[], pattern: RegExp): string[] {
  return [...new Set(links.flatMap((link) => pattern.exec(link)?.[1] ?? []))];
}

describe('one stream through a proxy', () => {
  it('goes to one origin, on links that are all tapped, as the heartbeats are', async () => {
    const links = await carry('proxy-cluster', ['rtmp', 'flv', 'webrtc']);
    assert.equal(originsOf(links, /^proxy>(origin-\d) /).length, 1);
    for (const protocol of ['rtmp', 'http', 'api', 'rtc']) {
      assert.ok(
        links.some((link) => link.startsWith('proxy>') && link.endsWith(` ${protocol}`)),
        protocol,
      );
    }
    assert.equal(links.filter((link) => /^origin-\d>proxy system$/.test(link)).length, 3);
  });

  it('goes to one origin whichever of two proxies is asked', async () => {
    const links = await carry('proxy-redis', ['rtmp', 'flv', 'rtmp']);
    assert.equal(originsOf(links, /^balancer>(origin-\d) /).length, 1);
  });

  it('passes a program that the user brings, which gets the documented variables and no others', async (t) => {
    process.env.PROXY_OF_OURS = 'not to be seen';
    t.after(() => delete process.env.PROXY_OF_OURS);
    const directory = mkdtempSync(path.join(os.tmpdir(), 'liveproof-a-proxy-'));
    try {
      const proxyPath = path.join(directory, 'a proxy');
      const seen = path.join(directory, 'seen');
      const tsx = import.meta.resolve('tsx');
      const script = `#!/bin/sh\nenv | grep ^PROXY_ >'${seen}'\nexec '${process.execPath}' --import '${tsx}' '${PROXY_MAIN}'\n`;
      writeFileSync(proxyPath, script);
      chmodSync(proxyPath, 0o755);
      const links = await carry('proxy-cluster', ['rtmp'], { proxyPath });
      assert.equal(originsOf(links, /^proxy>(origin-\d) /).length, 1);
      const names = readFileSync(seen, 'utf8')
        .trim()
        .split('\n')
        .map((line) => line.split('=')[0]);
      assert.deepEqual(names.sort(), [
        'PROXY_DEFAULT_BACKEND_ENABLED',
        'PROXY_HTTP_API',
        'PROXY_HTTP_SERVER',
        'PROXY_LOAD_BALANCER_TYPE',
        'PROXY_RTMP_SERVER',
        'PROXY_SRT_SERVER',
        'PROXY_STATIC_FILES',
        'PROXY_SYSTEM_API',
        'PROXY_WEBRTC_SERVER',
      ]);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });

  it('has no mutant of a program that the user brings, nor a program that is none', async () => {
    const options = { topology: proxyCluster, engine: 'builtin', runDir: os.tmpdir() } as const;
    await assert.rejects(startCluster({ ...options, proxyPath: '/nowhere/proxy' }), { code: 'lab.program' });
    await assert.rejects(
      startCluster({ ...options, proxyPath: '/bin/true', mutants: ['proxy-register-no-protocol-form'] }),
      { code: 'lab.unknown' },
    );
  });
});
