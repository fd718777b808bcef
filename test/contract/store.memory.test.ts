import { memoryStore } from '#shared/store/memory.ts';
import { storeContract } from './store.ts';

storeContract('the memory store', async () => {
  const store = memoryStore();
  return { store, close: () => store.close() };
});
