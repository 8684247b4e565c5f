/** A WHEP player of the URL that is given: says `streaming` and leaves, or why it could not. */
import { ClientState } from '../../../drivers/client.ts';
import { FrameMeter, MeterHistograms } from '../../../drivers/measure/meter.ts';
import { openLite } from '../../../drivers/webrtc/lite/transport.ts';
import { WhepPlayer } from '../../../drivers/webrtc/player.ts';

const player: WhepPlayer = new WhepPlayer(
  process.argv[2]!,
  new FrameMeter(new MeterHistograms()),
  { timeoutMs: 5000 },
  {
    onState(_client, state) {
      if (state !== ClientState.streaming) return;
      console.log('streaming');
      setImmediate(() => {
        player.close();
        void player.leaving?.then(() => process.exit());
      });
    },
    onClosed(_client, { reason, code }) {
      if (reason === 'local') return;
      console.log(`${reason} ${code}`);
      process.exit();
    },
  },
  openLite,
);
player.open();
