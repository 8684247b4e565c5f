/** The machine's own Chromium, and how it is started. Nothing is ever downloaded. */
import { findProgram, isExecutable } from '../../lab/runners/find-program.ts';

/** The executable, or undefined: CHROMIUM_BIN where it is set, else Debian's, else what the PATH has. */
export function findChromium(env: NodeJS.ProcessEnv = process.env): string | undefined {
  const named = env.CHROMIUM_BIN;
  if (named !== undefined && named !== '') return isExecutable(named) ? named : undefined;
  return findProgram('chromium') ?? findProgram('chromium-browser') ?? findProgram('google-chrome');
}

export const CHROMIUM_ARGS: readonly string[] = [
  // Root, in a container or not, has no sandbox.
  ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
  // Nobody clicks.
  '--autoplay-policy=no-user-gesture-required',
  // The lab's media nodes have loopback addresses, which WebRTC leaves out else; and addresses are not to be hidden by mDNS.
  '--allow-loopback-in-peer-connection',
  '--disable-features=WebRtcHideLocalIpsWithMdns',
  // A page that is not in front of others is throttled else.
  '--disable-background-timer-throttling',
  '--disable-backgrounding-occluded-windows',
  '--disable-renderer-backgrounding',
  // It is to ask nobody but the cluster.
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-quic',
  '--no-first-run',
  '--disable-gpu',
];
