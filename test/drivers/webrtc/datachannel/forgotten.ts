/**
 * A process that plays over libdatachannel, and lets go of all that it has of it but a WeakRef: `node --expose-gc … <endpoint>`
 * prints how many packets came, before and after ten collections, and ends.
 */
import type { WebRtcTransport } from '../../../../drivers/webrtc/contract.ts';
import { openDatachannel } from '../../../../drivers/webrtc/datachannel/transport.ts';

const COLLECTIONS = 10;
const PAUSE_MS = 20;
/** Of packets, before and after. */
const ENOUGH = 50;

const seen = { packets: 0, gone: '' };
/** Called when either has changed. */
let changed = (): void => {};

/** All that refers to the transport is in here, and ends with it. */
async function play(endpoint: string): Promise<WeakRef<WebRtcTransport>> {
  let connected = (): void => {};
  const streaming = new Promise<void>((resolve) => {
    connected = resolve;
  });
  const transport = openDatachannel(
    { direction: 'recvonly', media: [{ kind: 'video' }], cname: 'c', localAddress: '127.0.0.1' },
    {
      onConnected: () => connected(),
      onRtp: () => {
        seen.packets++;
        changed();
      },
      onRtcp() {},
      onGone: (code) => {
        seen.gone = code;
        changed();
      },
    },
  );
  const response = await fetch(endpoint, { method: 'POST', body: await transport.offer() });
  transport.setAnswer(await response.text());
  await streaming;
  return new WeakRef(transport);
}

const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, PAUSE_MS));

function come(count: number): Promise<void> {
  const wanted = seen.packets + count;
  return new Promise((resolve) => {
    changed = () => {
      if (seen.packets >= wanted || seen.gone !== '') resolve();
    };
    changed();
  });
}

const reference = await play(process.argv[2]!);
await come(ENOUGH);
const before = seen.packets;
for (let count = 0; count < COLLECTIONS; count++) {
  globalThis.gc!();
  await pause();
}
const collected = reference.deref() === undefined;
// What was read already is not what comes now.
await pause();
const after = seen.packets;
await Promise.race([come(ENOUGH), new Promise((resolve) => setTimeout(resolve, 2000))]);
console.log(JSON.stringify({ before, further: seen.packets - after, collected, gone: seen.gone }));
process.exit();
