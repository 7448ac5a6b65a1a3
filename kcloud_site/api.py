"""The API's addresses below /api/v1/. Each app brings its own view sets."""

from rest_framework.routers import SimpleRouter

from clusters.api import ClusterViewSet
from kcloud_site.operations.api import OperationViewSet

router = SimpleRouter(trailing_slash=False)
router.register("clusters", ClusterViewSet, basename="api-cluster")
router.register("operations", OperationViewSet, basename="api-operation")

urlpatterns = router.urls
