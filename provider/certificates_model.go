package provider

type certificatesModel struct {
	certificateFilter
	IDs          []string               `tfsdk:"ids"`
	Certificates []certificateDataModel `tfsdk:"certificates"`
}
