import { seededRandom } from '#shared/random/random.ts';
import { randomContract } from './random.ts';

randomContract('xoroshiro128+', seededRandom);
