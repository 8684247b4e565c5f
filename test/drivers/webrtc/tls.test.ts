import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createServer } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { FrameMeter, MeterHistograms } from '../../../drivers/measure/meter.ts';
import { openLite } from '../../../drivers/webrtc/lite/transport.ts';
import { WhepPlayer } from '../../../drivers/webrtc/player.ts';
import { selfSignedCertificate } from '../../../protocols/dtls/certificate.ts';
import { eventually } from '../support/observe.ts';
import { RtcServer, RtcWitness } from './support.ts';

const DAY_MS = 86_400_000;
const CLIENT = fileURLToPath(new URL('tls-client.ts', import.meta.url));

function pem(kind: string, der: Uint8Array): string {
  const lines = Buffer.from(der)
    .toString('base64')
    .replaceAll(/.{1,64}/g, '$&\n');
  return `-----BEGIN ${kind}-----\n${lines}-----END ${kind}-----\n`;
}

/** TLS with a certificate that is nobody's but its own, in front of a WHEP server. */
async function tlsServer(t: TestContext, commonName: string) {
  const rtc = await RtcServer.start(t);
  const { publicKey, privateKey } = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    publicKeyEncoding: { type: 'spki', format: 'der' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  const serial = randomBytes(8);
  serial[0] = 1;
  const now = Date.now();
  const fields = { publicKey, serial, commonName, notBefore: now - DAY_MS, notAfter: now + DAY_MS };
  const cert = pem(
    'CERTIFICATE',
    selfSignedCertificate(fields, (data) => sign('sha256', data, privateKey)),
  );
  const server = createServer({ cert, key: privateKey }, (socket) => {
    const inner = connect(rtc.port, '127.0.0.1');
    socket.pipe(inner).pipe(socket);
    socket.on('error', () => inner.destroy());
    inner.on('error', () => socket.destroy());
  });
  // Who does not trust the certificate hangs up.
  server.on('tlsClientError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const { port } = server.address() as { port: number };
  return { rtc, cert, port };
}

/** A player in a process of its own: Node reads NODE_EXTRA_CA_CERTS when it starts. Resolves with what it printed. */
async function playedBy(t: TestContext, url: string, environment: Record<string, string>): Promise<string> {
  const child = spawn(process.execPath, ['--import', 'tsx', CLIENT, url], {
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => child.kill('SIGKILL'));
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  await once(child, 'close');
  return said.trim();
}

test('a certificate that nobody vouches for is refused, and the code says so', async (t) => {
  const { rtc, port } = await tlsServer(t, 'localhost');
  const witness = new RtcWitness();
  const meter = new FrameMeter(new MeterHistograms());
  new WhepPlayer(`wheps://localhost:${port}/live`, meter, {}, witness, openLite).open();
  const closed = await witness.end(5000);
  assert.deepEqual([closed.reason, closed.code], ['refused', 'tls.depth_zero_self_signed_cert']);
  assert.equal(rtc.requests.length, 0, 'the offer was not sent');
});

test('with NODE_EXTRA_CA_CERTS it is trusted, for its name alone: WHEP over TLS, offer to DELETE', async (t) => {
  const { rtc, cert, port } = await tlsServer(t, 'localhost');
  const folder = mkdtempSync(join(tmpdir(), 'liveproof-tls-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'ca.pem');
  writeFileSync(file, cert);
  const trust = { NODE_EXTRA_CA_CERTS: file };
  const [played, misnamed] = await Promise.all([
    playedBy(t, `wheps://localhost:${port}/live`, trust),
    playedBy(t, `wheps://127.0.0.1:${port}/live`, trust),
  ]);
  assert.equal(played, 'streaming');
  assert.equal(misnamed, 'refused tls.err_tls_cert_altname_invalid');
  assert.deepEqual(
    rtc.requests.map(({ method }) => method),
    ['POST', 'DELETE'],
  );
  await eventually(2000, 'one session', () => rtc.peers.length === 1);
});
