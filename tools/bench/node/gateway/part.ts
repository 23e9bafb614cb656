// One of those that are not ours: the backend, the proxy before it, or whoever asks.
import { answerQuestions } from '../../part.ts';
import { startBackend } from './backend.ts';
import { runLoad, type Done, type Load } from './load.ts';
import { startProxy } from './proxy.ts';

/** What a parent asks. */
export interface Questions {
  /** Both tell the port. */
  readonly backend: { readonly asked: null; readonly told: number };
  readonly proxy: { readonly asked: { readonly backendPort: number }; readonly told: number };
  readonly load: { readonly asked: Load; readonly told: Done };
}

answerQuestions<Questions>((question, asked): Promise<unknown> => {
  switch (question) {
    case 'backend':
      return startBackend();
    case 'proxy':
      return startProxy((asked as Questions['proxy']['asked']).backendPort);
    case 'load':
      return runLoad(asked as Load);
  }
});
