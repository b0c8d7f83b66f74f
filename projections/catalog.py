"""Every projection that runs."""

from projections import figures
from projections.projection import Projection

PROJECTIONS: dict[str, Projection] = {
    projection.name: projection for projection in (Projection(name="figures", version=1, fold=figures.fold),)
}
