/** Which stream of a master playlist is played. */
import type { MasterPlaylist, Variant } from '../../protocols/hls/playlist.ts';

/** By bandwidth, or the place in the playlist from 0 on (the last one when there are fewer). */
export type VariantChoice = 'first' | 'highest' | 'lowest' | number;

/** undefined when there is none. Of variants with the same bandwidth the first one counts. */
export function chooseVariant({ variants }: MasterPlaylist, choice: VariantChoice): Variant | undefined {
  if (choice === 'first') return variants[0];
  if (typeof choice === 'number') return variants[Math.min(choice, variants.length - 1)];
  const sign = choice === 'highest' ? 1 : -1;
  return variants.reduce<Variant | undefined>(
    (best, variant) =>
      best === undefined || sign * (variant.bandwidth - best.bandwidth) > 0 ? variant : best,
    undefined,
  );
}
