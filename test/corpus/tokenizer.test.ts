import assert from 'node:assert/strict';
import { frequentPieces, pieceTokenizer } from '../../src/corpus/tokenizer.ts';

describe('frequentPieces', () => {
  it('counts words over all texts and gives the most frequent first, equals by their letters', () => {
    const texts = ['the cat, the dog', 'the end: a cat'];
    assert.deepEqual(frequentPieces('word', texts, 4), ['the', 'cat', ',', ':']);
    assert.deepEqual(frequentPieces('character', ['aab', 'b a'], 2), ['a', 'b']);
  });

  it('makes a tokenizer that knows the pieces, and no others', () => {
    const tokenizer = pieceTokenizer('word', frequentPieces('word', ['the cat, the dog'], 2));
    assert.deepEqual(Array.from(tokenizer.encode('the dog ,')), [2, 1, 3]);
    assert.equal(tokenizer.size, 4);
  });
});
