/** Opens the cheapest UDP socket that this machine has. */
import { isIPv6 } from 'node:net';
import { Batcher } from './batch.ts';
import type { OpenDatagramSocket } from './contract.ts';
import { libc } from './libc.ts';
import { openNodeSocket } from './node.ts';

let batcher: Batcher | undefined;

/** IPv4 on Linux: read and written in batches. Else, node:dgram. */
export const openDatagramSocket: OpenDatagramSocket = (options, receiver) => {
  const { localAddress = '', connectTo } = options;
  const system = isIPv6(localAddress) || isIPv6(connectTo?.address ?? '') ? undefined : libc();
  if (system === undefined) return openNodeSocket(options, receiver);
  batcher ??= new Batcher(system);
  return batcher.open(options, receiver);
};
