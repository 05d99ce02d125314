/**
 * The τ that a draw has had, told from its own minibatch: what a draw by scores that were stale was worth in truth.
 *
 *     τ² = E_u[G²] / E_g[(w G)²],  w_i = 1 / (B g_i)          estimated by   Σ_j w_j G_j² / Σ_j (w_j G_j)²
 *
 * G are the scores of the b samples drawn, by the parameters that the step was taken with. Both means are over the draw by
 * g, so that of G² carries the weight w once. With scores that were fresh when drawn by, g ∝ G, it is the τ of the draw,
 * √(B Σ g²); below 1, a uniform draw would have done better.
 *
 * @param weights [b], 1 / (B g)
 * @param scores [b], of the same samples
 */
export function freshTau(weights: ArrayLike<number>, scores: ArrayLike<number>): number {
  let [uniform, drawn] = [0, 0];
  for (let i = 0; i < weights.length; i++) {
    const square = scores[i]! ** 2;
    uniform += weights[i]! * square;
    drawn += weights[i]! ** 2 * square;
  }
  return drawn === 0 ? 1 : Math.sqrt(uniform / drawn);
}
