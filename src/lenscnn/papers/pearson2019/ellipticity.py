"""pearson2019's complex ellipticity (equation 1)."""

import numpy as np


def q_phi_to_e1_e2_pearson(q, phi):
    """Return the complex ellipticity of equation 1, (1 - q^2)/(1 + q^2) exp(2 i phi).

    Parameters
    ----------
    q
        Axis ratio, 0 < q <= 1.
    phi
        Position angle of the major axis, rad, counter-clockwise from +x.

    Returns
    -------
    e1, e2
        Dimensionless components, shaped as `q` and `phi` broadcast.
    """
    e = (1 - q**2) / (1 + q**2)
    return e * np.cos(2 * phi), e * np.sin(2 * phi)


def e1_e2_to_q_phi_pearson(e1, e2):
    """Return axis ratio and position angle of the complex ellipticity of equation 1.

    Parameters
    ----------
    e1, e2
        Dimensionless components. A modulus above 1, which an estimate may have and no lens has,
        counts as 1.

    Returns
    -------
    q, phi
        Axis ratio, 0 <= q <= 1, and position angle of the major axis, 0 <= phi < pi (rad),
        shaped as `e1` and `e2` broadcast.
    """
    e = np.minimum(np.hypot(e1, e2), 1)
    return np.sqrt((1 - e) / (1 + e)), np.arctan2(e2, e1) / 2 % np.pi
