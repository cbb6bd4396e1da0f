"""The embedding loop: your program owns the loop, the data and the clock; minigan only steps.

Nothing here needs more than NumPy. The state is a flat dict of arrays, so it goes into whatever
your program keeps, and a trainer put back to it goes on with the same bits.

    python examples/embed.py
"""

import numpy as np

import minigan as mg
from minigan import gan, nn, optim


def make_trainer() -> gan.Trainer:
    """A tiny GAN for 8 × 8 images."""
    generator = nn.Sequential(
        nn.Dense(128), nn.LeakyReLU(0.2), nn.Dense(64), nn.Reshape(8, 8, 1), nn.Tanh()
    )
    discriminator = nn.Sequential(nn.Flatten(), nn.Dense(128), nn.LeakyReLU(0.2), nn.Dense(1))
    game = gan.Game(generator, discriminator, latent=gan.Normal(16))
    return gan.Trainer(game, seed=0, optimizers=optim.Adam(1e-3, beta1=0.5))


def my_data(step: int) -> np.ndarray:
    """Whatever your program has: here 32 of the real digits, in the generator's range."""
    digits = mg.data.digits()
    chosen = (np.arange(32) + 32 * step) % len(digits)
    return digits.batch(chosen, -1, 1)


def main() -> None:
    trainer = make_trainer()
    for step in range(200):
        report = trainer.step(my_data(step))
        if report.step % 50 == 0:
            print(
                f"step {report.step}: D loss {report.discriminator_loss:.3f}, "
                f"G loss {report.generator_loss:.3f}, "
                f"D(x) {report.real_score:.2f}, D(G(z)) {report.fake_score:.2f}"
            )
    state = trainer.state()  # copies: yours to keep
    twin = make_trainer()
    twin.load_state(state)
    same = np.array_equal(trainer.sample(16, seed=1), twin.sample(16, seed=1))
    after = (trainer.step(my_data(200)), twin.step(my_data(200)))
    print("a trainer put back to the state makes the same images:", same)
    print("and takes the same next step:", after[0] == after[1])


if __name__ == "__main__":
    main()
