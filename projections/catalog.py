"""Every projection that runs."""

from projections.figures.fold import fold
from projections.projection import Projection

PROJECTIONS: dict[str, Projection] = {
    projection.name: projection for projection in (Projection(name="figures", version=1, fold=fold),)
}
