export * from './codec.ts';
export * from './partition.ts';
export * from './types.ts';
